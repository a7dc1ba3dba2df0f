"""What configuration must know of the strategies and indicators that the kernel holds."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from pydantic import ValidationError

from stratkernel.contracts.timeframes import TIMEFRAMES
from stratkernel.engine.factory import IndicatorFactory, StrategyFactory
from stratkernel.engine.indicator_graph import IndicatorGraph
from stratkernel.kernel.errors import StratkernelError, describe
from stratkernel.kernel.guard import guard
from stratkernel.kernel.kinds import INDICATOR, STRATEGY
from stratkernel.kernel.manager import Kernel
from stratkernel.kernel.names import normalised
from stratkernel.kernel.registry import Item
from stratkernel_config.catalogue import Kind
from stratkernel_config.errors import CatalogueError, ConfigError

_KINDS: Final = {"strategy": STRATEGY, "indicator": INDICATOR}


class InstalledItem:
    """A strategy or an indicator as `stratkernel_config.catalogue.Installed` describes it."""

    def __init__(self, kernel: Kernel, item: Item) -> None:
        self._kernel = kernel
        self._item = item
        self.name = item.name
        self.qualified = item.qualified
        self.distribution = item.record.distribution
        self.version = item.record.version

    def fill(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        refused: ValidationError | None = None
        try:
            with guard(self._item.title, "to check its parameters", passing=StratkernelError):
                try:
                    params = self._item.cls.Params.model_validate(parameters)
                except ValidationError as error:
                    refused = error
                else:
                    filled: dict[str, Any] = params.model_dump(mode="json")
        except StratkernelError as error:
            raise CatalogueError(str(error)) from error
        if refused is not None:
            raise refused
        return filled

    def schema(self) -> dict[str, Any]:
        with self._fenced("to describe its parameters"):
            schema: dict[str, Any] = self._item.cls.Params.model_json_schema()
        return schema

    def templates(self) -> Sequence[Mapping[str, Any]]:
        with self._fenced("to give its templates"):
            try:
                return list(self._item.cls.templates())
            except ConfigError as error:
                raise CatalogueError(f"{self._item.title}: {error}") from None

    def needs(self, parameters: Mapping[str, Any]) -> dict[str, str]:
        found = {self.distribution: self.version}
        if self._item.kind is STRATEGY:
            with self._fenced("to tell which indicators it reads"):
                strategy = StrategyFactory(self._kernel).create(self.qualified, parameters)
                requests = strategy.get_required_indicators()
                graph = IndicatorGraph(requests, IndicatorFactory(self._kernel), self._item.title)
            records = [node.item.record for node in graph.nodes]
            found |= {record.distribution: record.version for record in records}
        return {name: found[name] for name in sorted(found)}

    @contextmanager
    def _fenced(self, doing: str) -> Iterator[None]:
        """Whatever the plugin raises becomes a `CatalogueError` that names it."""
        try:
            with guard(self._item.title, doing, passing=StratkernelError):
                yield
        except StratkernelError as error:
            raise CatalogueError(str(error)) from error


class KernelCatalogue:
    """The catalogue of an environment, as `stratkernel_config.catalogue.Catalogue` describes it."""

    timeframes: Final[Sequence[str]] = TIMEFRAMES

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._found: dict[tuple[Kind, str], InstalledItem] = {}
        self._versions: dict[str, str | None] = {}

    def items(self, kind: Kind) -> Sequence[InstalledItem]:
        return [self._installed(kind, item) for item in self._kernel.items(_KINDS[kind])]

    def find(self, kind: Kind, name: str) -> InstalledItem:
        known = self._found.get((kind, name))
        if known is not None:
            return known
        try:
            item = self._kernel.resolve(_KINDS[kind], name)
        except StratkernelError as error:
            raise CatalogueError(str(error)) from None
        found = self._found[kind, name] = self._installed(kind, item)
        return found

    def version_of(self, distribution: str) -> str | None:
        if distribution not in self._versions:
            self._versions[distribution] = self._version_of(distribution)
        return self._versions[distribution]

    def _installed(self, kind: Kind, item: Item) -> InstalledItem:
        key = kind, item.qualified
        if key not in self._found:
            self._found[key] = InstalledItem(self._kernel, item)
        return self._found[key]

    def _version_of(self, distribution: str) -> str | None:
        """What the plugins' records say, else the environment: a requirement may be no plugin."""
        wanted = normalised(distribution)
        for record in self._kernel.records:
            if normalised(record.distribution) == wanted:
                return record.version
        try:
            return version(distribution)
        except (PackageNotFoundError, ValueError):
            return None
        except Exception as error:
            raise CatalogueError(
                f"the metadata of {distribution} cannot be read: {describe(error)}"
            ) from error
