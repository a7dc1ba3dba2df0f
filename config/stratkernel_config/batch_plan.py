"""The plan of a batch: which configurations over which candles, as a JSON file."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, ValidationError, model_validator

from stratkernel_config.checking import validation_problems
from stratkernel_config.documents import load_json
from stratkernel_config.errors import DocumentError, Problem
from stratkernel_config.models import OF_LIST, OF_OBJECT, Exits, StrictModel, TimeframeName

_MOST = 100_000


class PlannedConfiguration(StrictModel):
    """A strategy or a document by its name or path, and what is different about it here."""

    strategy: str = Field(min_length=1, max_length=500, description="an installed strategy, or a document")
    name: str | None = Field(None, min_length=1, max_length=64, description="what its rows are called")
    parameters: dict[str, Any] = Field({}, description="they beat those of a document")
    exits: Exits | None = Field(None, description="they beat those of a document")


class PlannedSeries(StrictModel):
    """Candles: a file, or a symbol of the database."""

    data: str | None = Field(
        None, min_length=1, max_length=4_000, description="a file, from the plan's folder"
    )
    symbol: str | None = Field(None, min_length=1, max_length=200)
    timeframe: TimeframeName | None = None
    venue: str | None = Field(None, min_length=1, max_length=200)

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.data is None and self.symbol is None:
            raise ValueError("data (a file) or symbol (of the database) must be said")
        return self


class PlannedTrading(StrictModel):
    """When signals are filled and what that costs."""

    fill: Literal["next_open", "close"] = "next_open"
    fee_bps: float = Field(0.0, ge=0, lt=10_000)
    slippage_bps: float = Field(0.0, ge=0, lt=10_000)
    initial_capital: float = Field(10_000.0, gt=0)


def _form(value: Any) -> str:
    return OF_OBJECT if isinstance(value, dict | PlannedConfiguration) else OF_LIST


_Configuration = Annotated[
    Annotated[str, Field(min_length=1, max_length=500), Tag(OF_LIST)]
    | Annotated[PlannedConfiguration, Tag(OF_OBJECT)],
    Discriminator(_form),
]


class BatchPlan(StrictModel):
    """Every configuration over every series; `symbols` and `timeframes` are series of the database too."""

    configurations: list[_Configuration] = Field(min_length=1, max_length=_MOST)
    series: list[PlannedSeries] = Field([], max_length=_MOST)
    symbols: list[str] = Field([], max_length=_MOST)
    timeframes: list[TimeframeName] = Field([], max_length=100)
    venue: str | None = Field(None, min_length=1, max_length=200, description="of the symbols")
    start: str | None = Field(None, alias="from", description="first open time that comes out")
    end: str | None = Field(None, alias="to", description="end of what comes out (exclusive)")
    origin: str | None = Field(None, description="where indicators begin")
    trading: PlannedTrading = PlannedTrading()

    @model_validator(mode="after")
    def _has_candles(self) -> Self:
        if not self.series and not self.symbols:
            raise ValueError("series or symbols must name candles")
        return self

    def all_series(self) -> list[PlannedSeries]:
        """The series, then each symbol in each timeframe."""
        timeframes: list[str | None] = [*self.timeframes] or [None]
        crossed = [
            PlannedSeries(symbol=symbol, timeframe=timeframe, venue=self.venue)
            for symbol in self.symbols
            for timeframe in timeframes
        ]
        return [*self.series, *crossed]

    def all_configurations(self) -> list[PlannedConfiguration]:
        """The configurations, those that are only named too."""
        return [
            PlannedConfiguration(strategy=each) if isinstance(each, str) else each
            for each in self.configurations
        ]


class PlanError(DocumentError):
    """A plan that is not valid. `usable` is what is left of it without its bad entries, if anything is."""

    def __init__(self, problems: Iterable[Problem], usable: BatchPlan | None) -> None:
        super().__init__(problems)
        self.usable = usable


def load_plan(path: Path) -> BatchPlan:
    """Read a plan; files that it names are sought from its folder.

    Raises:
        DocumentError: it cannot be read.
        PlanError: everything that is wrong with it.
    """
    raw = load_json(path)
    try:
        plan = BatchPlan.model_validate(raw)
    except ValidationError as error:
        known = [field.alias or name for name, field in BatchPlan.model_fields.items()]
        problems = validation_problems(error, str(path), known=known)
        raise PlanError(problems, _usable(raw, error, path)) from None
    return _from_folder(plan, path)


def _usable(raw: Any, error: ValidationError, path: Path) -> BatchPlan | None:
    """The plan without the entries that are not valid, so that what is wrong besides is found too."""
    if not isinstance(raw, dict):
        return None
    bad: dict[str, set[int]] = {}
    left = dict(raw)
    for detail in error.errors(include_url=False):
        match detail["loc"]:
            case (str(name), int(number), *_):
                bad.setdefault(name, set()).add(number)
            case (str(name), *_):
                left.pop(name, None)
    for name, numbers in bad.items():
        left[name] = [each for number, each in enumerate(raw[name]) if number not in numbers]
    try:
        return _from_folder(BatchPlan.model_validate(left), path)
    except ValidationError:
        return None


def _from_folder(plan: BatchPlan, path: Path) -> BatchPlan:
    folder = path.absolute().parent
    series = [
        each.model_copy(update={"data": str(folder / Path(each.data).expanduser())})
        if each.data and "://" not in each.data
        else each
        for each in plan.series
    ]
    return plan.model_copy(update={"series": series})
