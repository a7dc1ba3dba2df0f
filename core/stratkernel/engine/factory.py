"""Strategies and indicators from their names and parameters."""

from collections.abc import Mapping
from typing import Any

from stratkernel._version import __version__
from stratkernel.contracts.indicator import BaseIndicator
from stratkernel.contracts.params import make_params
from stratkernel.contracts.strategy import BaseStrategy
from stratkernel.kernel.errors import ParameterError
from stratkernel.kernel.guard import guard
from stratkernel.kernel.kinds import INDICATOR, STRATEGY
from stratkernel.kernel.manager import Kernel
from stratkernel.kernel.markers import PROJECT
from stratkernel.kernel.records import PluginRecord
from stratkernel.kernel.registry import Item


class StrategyFactory:
    """Creates strategies that plugins provide."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def create(
        self, name: str, params: Mapping[str, Any] | None = None, *, strategy_name: str | None = None
    ) -> BaseStrategy[Any]:
        """A strategy by its bare or qualified name.

        Raises:
            UnknownNameError, AmbiguousNameError: no such strategy, or several.
            ParameterError: parameters that it does not accept, all problems at once.
        """
        item = self.item(name)
        with guard(item.title, "while it was created", passing=ParameterError):
            strategy = item.cls(strategy_name or name, make_params(item.cls.Params, params or {}, item.title))
        assert isinstance(strategy, BaseStrategy)
        return strategy

    def item(self, which: str | type[BaseStrategy[Any]]) -> Item:
        """What is known of a strategy: its plugin, version and qualified id."""
        if isinstance(which, str):
            return self._kernel.resolve(STRATEGY, which)
        return self._kernel.registry.item_of(STRATEGY, which) or Item(
            STRATEGY, which.name, which, _unregistered(which)
        )


class IndicatorFactory:
    """Creates indicators that plugins provide, or from classes."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def create(
        self, which: str | type[BaseIndicator[Any]] | Item, params: Mapping[str, Any] | None = None
    ) -> BaseIndicator[Any]:
        """An indicator by its name, class or item; raises as `StrategyFactory.create` does."""
        item = which if isinstance(which, Item) else self.item(which)
        with guard(item.title, "while it was created", passing=ParameterError):
            made = item.cls(make_params(item.cls.Params, params or {}, item.title))
        assert isinstance(made, BaseIndicator)
        return made

    def item(self, which: str | type[BaseIndicator[Any]]) -> Item:
        """What is known of an indicator: its plugin, version and qualified id."""
        if isinstance(which, str):
            return self._kernel.resolve(INDICATOR, which)
        return self._kernel.registry.item_of(INDICATOR, which) or Item(
            INDICATOR, which.name, which, _unregistered(which)
        )


def _unregistered(cls: type) -> PluginRecord:
    """A record for a class that no hook provides: the project's own, or one made in a notebook."""
    package = cls.__module__.partition(".")[0]
    version = __version__ if package == PROJECT else "0"
    return PluginRecord(package, package, version, cls.__module__)
