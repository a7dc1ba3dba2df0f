"""Indicators are folds over candles; requests are how strategies ask for them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeAlias, cast

from typing_extensions import TypeVar

from stratkernel.contracts.arrays import FloatArray
from stratkernel.contracts.columns import Columns
from stratkernel.contracts.events import Events
from stratkernel.contracts.generic import params_of
from stratkernel.contracts.params import Params as ParamsModel
from stratkernel.contracts.params import make_params
from stratkernel.contracts.state import State
from stratkernel.contracts.templates import packaged_templates

P = TypeVar("P", bound=ParamsModel, default=Any)
Values: TypeAlias = "FloatArray | Mapping[str, FloatArray | Events]"
"""One array for an indicator of one output, else arrays (or `Events`) by the names of the outputs."""


class BaseIndicator(ABC, Generic[P]):
    """A fold over candles: the same values whole, in chunks, candle by candle and after a restart.

    A class declares its `name`, its parameter model (`BaseIndicator[MyParams]`), `inputs` (columns it
    reads, by default of the candles), `outputs` (by default one, of its own name) and its lookback.
    `nullable` outputs may be NaN after the warm-up; `event_outputs` are given as `Events`. `absorbing`
    promises that a value that is not finite stays so, as in a recurrence: the last one then tells of all.
    Rows in which an input is not yet defined never reach it: an indicator sees no NaN.

    It may also define `step(candle, state) -> (value or values by output, state)` for one candle in plain
    floats (`candle` maps the inputs' names to them), equal to `advance` bit for bit.
    """

    name: ClassVar[str]
    Params: ClassVar[type[ParamsModel]] = ParamsModel
    inputs: ClassVar[tuple[str, ...]] = ("close",)
    outputs: ClassVar[tuple[str, ...]] = ()
    event_outputs: ClassVar[frozenset[str]] = frozenset()
    nullable: ClassVar[frozenset[str]] = frozenset()
    absorbing: ClassVar[bool] = False
    state_version: ClassVar[int] = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        model = params_of(cls, BaseIndicator)
        if model is not None:
            cls.Params = model
        inherited = getattr(super(cls, cls), "name", None)
        named, told = "name" in vars(cls), "outputs" in vars(cls)
        if named and not told and cls.outputs in {(), (inherited,)}:
            cls.outputs = (cls.name,)

    def __init__(self, params: P | Mapping[str, Any] | None = None) -> None:
        if not isinstance(params, self.Params):
            params = cast("P", make_params(self.Params, dict(params or {}), f"indicator '{self.name}'"))
        self.params: P = params

    @classmethod
    def templates(cls) -> Sequence[Mapping[str, Any]]:
        """Documents to begin with, for people who write none from nothing.

        By default the files `templates/*.json` beside the class, in its own package, that name this
        indicator; `docs/configuration.md` says what is in them.
        """
        return packaged_templates(cls.__module__, "indicator", cls.name)

    @abstractmethod
    def lookback(self) -> int | Mapping[str, int]:
        """Rows without a value from the start on, one number or one for each output."""

    def sources(self) -> "tuple[str | IndicatorRequest, ...]":
        """What the inputs are, in their order: candle columns or other indicators.

        A request that names its inputs has the last word.
        """
        return self.inputs

    def settling(self) -> int:
        """Rows until a value does not depend on where the history began; by default the longest lookback."""
        lookback = self.lookback()
        return lookback if isinstance(lookback, int) else max(lookback.values())

    @abstractmethod
    def initial_state(self) -> State:
        """The state before the first row."""

    @abstractmethod
    def advance(self, columns: Columns, state: State) -> tuple[Values, State]:
        """Values of the rows given, and the state after them.

        Pure: neither `columns` nor `state` is changed. Outputs have one value a row (what stands in
        warm-up rows is not looked at). Accepts zero rows.
        """


@dataclass(frozen=True)
class IndicatorRequest:
    """What a strategy or an indicator asks for: an indicator, its parameters, its inputs.

    `indicator` is a name (bare or qualified) or a class. `inputs` bind to the indicator's declared
    inputs in their order: names of candle columns or other requests; left out, the declared names are
    taken from the candles. `timeframe` is that of the candles it is computed on, by default that of the
    request that it serves as an input, else the strategy's own. `output` picks one output where a request
    serves as an input.
    """

    indicator: str | type[BaseIndicator[Any]]
    params: Mapping[str, Any]
    inputs: tuple["str | IndicatorRequest", ...] = ()
    timeframe: str | None = None
    output: str | None = None

    def __getitem__(self, output: str) -> "IndicatorRequest":
        """The same request, with one output picked."""
        return IndicatorRequest(self.indicator, self.params, self.inputs, self.timeframe, output)


def indicator(
    which: str | type[BaseIndicator[Any]],
    *,
    on: "str | IndicatorRequest | tuple[str | IndicatorRequest, ...]" = (),
    timeframe: str | None = None,
    **params: Any,
) -> IndicatorRequest:
    """Ask for an indicator: `indicator("ema", period=12)`, `indicator("ema", on="high", period=5)`.

    `on` is what it reads instead of its declared candle columns, another request perhaps. With a higher
    `timeframe`, `indicator("ema", period=50, timeframe="1h")`, periods count candles of that timeframe, and
    each row has the value of the newest of these that closed by then.
    """
    if on == ():
        try:
            return _plain_request(which, timeframe, **params)
        except TypeError:  # a parameter that is no key
            return IndicatorRequest(which, params, (), timeframe)
    inputs = on if isinstance(on, tuple) else (on,)
    return IndicatorRequest(which, params, inputs, timeframe)


@lru_cache(maxsize=4096, typed=True)
def _plain_request(
    which: str | type[BaseIndicator[Any]], timeframe: str | None, /, **params: Any
) -> IndicatorRequest:
    """A request that is asked for again is the same object: grids ask for the same many times."""
    return IndicatorRequest(which, params, (), timeframe)
