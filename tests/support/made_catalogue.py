"""A catalogue of strategies and indicators that no plugin provides."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stratkernel_config.errors import CatalogueError


class CrossParams(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    fast: int = Field(5, ge=1, le=100, description="candles")
    slow: int = Field(20, ge=2, le=1000, description="candles")
    level: float = Field(0.5, gt=0, lt=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.fast >= self.slow:
            raise ValueError(f"fast must be smaller than slow, got {self.fast} and {self.slow}")
        return self


class MadeItem:
    """One strategy or indicator; `templates_given` may be an error, which is then raised."""

    def __init__(
        self, name: str, distribution: str = "acme-cross", version: str = "1.4.2", templates: Any = ()
    ) -> None:
        self.name = name
        self.distribution = distribution
        self.version = version
        self.qualified = f"{distribution}:{name}"
        self.templates_given = templates

    def fill(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return CrossParams.model_validate(parameters).model_dump(mode="json")

    def schema(self) -> dict[str, Any]:
        return CrossParams.model_json_schema()

    def templates(self) -> Sequence[Mapping[str, Any]]:
        if isinstance(self.templates_given, Exception):
            raise self.templates_given
        return self.templates_given

    def needs(self, parameters: Mapping[str, Any]) -> dict[str, str]:
        return {self.distribution: self.version}


class MadeCatalogue:
    """Strategies and indicators by kind; `releases` says which distributions are installed."""

    timeframes: Sequence[str] = ("1m", "1h", "1d")

    def __init__(self, **items: Sequence[MadeItem]) -> None:
        self.by_kind = items
        found = [item for each in items.values() for item in each]
        self.releases: dict[str, str] = {item.distribution: item.version for item in found}

    def items(self, kind: str) -> Sequence[MadeItem]:
        return self.by_kind.get(kind, ())

    def find(self, kind: str, name: str) -> MadeItem:
        found = [item for item in self.items(kind) if name in (item.name, item.qualified)]
        if len(found) != 1:
            raise CatalogueError(f"{'several' if found else 'no'} {kind} {name!r}")
        return found[0]

    def version_of(self, distribution: str) -> str | None:
        return self.releases.get(distribution)


def template(name: str = "cross-calm", **fields: Any) -> dict[str, Any]:
    """A template of the strategy `cross`."""
    parameters = {"fast": 10, "slow": 50}
    return {"schema_version": 2, "name": name, "strategy": "cross", "parameters": parameters, **fields}


def made_catalogue() -> MadeCatalogue:
    """One strategy with two templates, one indicator with one."""
    display = {"pane": "price", "color": "#aabbcc"}
    preset = {"schema_version": 2, "name": "band-wide", "indicator": "band", "display": display}
    return MadeCatalogue(
        strategy=[MadeItem("cross", templates=[template(), template("cross-quick", parameters={"fast": 2})])],
        indicator=[MadeItem("band", templates=[preset])],
    )
