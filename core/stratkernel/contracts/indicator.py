"""Indicators: folds over candles, and the easy form for those with a window."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, Literal, TypeAlias, cast

import numpy as np
from typing_extensions import TypeVar

from stratkernel.contracts.arrays import FloatArray
from stratkernel.contracts.candles import Columns
from stratkernel.contracts.events import Events
from stratkernel.contracts.generic import params_of
from stratkernel.contracts.params import Params as ParamsModel
from stratkernel.contracts.params import make_params
from stratkernel.contracts.state import State

P = TypeVar("P", bound=ParamsModel, default=Any)
Values: TypeAlias = "FloatArray | Mapping[str, FloatArray | Events]"
"""One array for an indicator of one output, else arrays (or `Events`) by the names of the outputs."""

ANCHOR: Final = 256
"""Indicators with `exact = "anchored"` start their windows at multiples of this many rows."""


class BaseIndicator(ABC, Generic[P]):
    """A fold over candles: the same values whole, in chunks, candle by candle and after a restart.

    A class declares its `name`, its parameter model (`BaseIndicator[MyParams]`), `inputs` (columns it
    reads, by default of the candles), `outputs` (by default one, of its own name) and its lookback.
    `nullable` outputs may be NaN after the warm-up; `event_outputs` are given as `Events`.
    Rows in which an input is not yet defined never reach it: an indicator sees no NaN.
    """

    name: ClassVar[str]
    Params: ClassVar[type[ParamsModel]] = ParamsModel
    inputs: ClassVar[tuple[str, ...]] = ("close",)
    outputs: ClassVar[tuple[str, ...]] = ()
    event_outputs: ClassVar[frozenset[str]] = frozenset()
    nullable: ClassVar[frozenset[str]] = frozenset()
    state_version: ClassVar[int] = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        model = params_of(cls, BaseIndicator)
        if model is not None:
            cls.Params = model
        if "outputs" not in vars(cls) and "name" in vars(cls):
            cls.outputs = (cls.name,)

    def __init__(self, params: P | Mapping[str, Any] | None = None) -> None:
        if not isinstance(params, self.Params):
            params = cast("P", make_params(self.Params, dict(params or {}), f"indicator '{self.name}'"))
        self.params: P = params

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


class WindowIndicator(BaseIndicator[P]):
    """An indicator whose value at a row is a pure function of that row and the `lookback` rows before.

    Write `calculate` with numpy over whole columns; chunks are given their `lookback` earlier rows.
    pandas' rolling sums drift with their start: use `stratkernel.rolling`, or declare
    `exact = "anchored"`, and every calculation begins `lookback` rows before a multiple of 256.
    """

    exact: ClassVar[Literal["window", "anchored"]] = "window"

    @abstractmethod
    def lookback(self) -> int:
        """How many rows before its own a value depends on."""

    @abstractmethod
    def calculate(self, columns: Columns) -> Values:
        """One value a row and output; those of the first `lookback` rows are not looked at."""

    def initial_state(self) -> State:
        empty = {name: np.empty(0) for name in self.inputs}
        return {"rows": 0, "close_time": np.empty(0, dtype=np.int64), **empty}

    def advance(self, columns: Columns, state: State) -> tuple[Values, State]:
        seen = cast("int", state["rows"])
        kept = len(cast("FloatArray", state["close_time"]))
        joined = self._joined(columns, state) if kept else columns
        values = (
            self.calculate(joined) if self.exact == "window" else self._anchored(joined, first=seen - kept)
        )
        after = seen + len(columns)
        keep = self.lookback() + (after % ANCHOR if self.exact == "anchored" else 0)
        tail = joined.slice(max(0, len(joined) - keep), len(joined))
        kept_columns = {name: tail[name].copy() for name in self.inputs}
        state = {"rows": after, "close_time": tail.close_time.copy(), **kept_columns}
        return _map_values(values, lambda column: _without(column, kept)), state

    def _joined(self, columns: Columns, state: State) -> Columns:
        arrays = {
            name: np.concatenate((cast("FloatArray", state[name]), columns[name])) for name in self.inputs
        }
        times = np.concatenate((cast("Any", state["close_time"]), columns.close_time))
        for array in arrays.values():
            array.flags.writeable = False
        return Columns(arrays, times)

    def _anchored(self, columns: Columns, first: int) -> Values:
        """Calculate block by block; `first` is the number of the first row given, from the origin."""
        rows = len(columns)
        parts: list[Mapping[str, FloatArray]] = []
        start = 0
        while start < rows or not parts:
            stop = min(rows, ((first + start) // ANCHOR + 1) * ANCHOR - first)
            begin = max(0, (first + start) // ANCHOR * ANCHOR - self.lookback() - first)
            block = self.calculate(columns.slice(begin, stop))
            named = block if isinstance(block, Mapping) else {self.outputs[0]: block}
            parts.append({name: np.asarray(array)[start - begin :] for name, array in named.items()})
            start = max(stop, start + 1)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _without(column: Any, kept: int) -> Any:
    """A column without its first rows; what is no column is left for the engine to refuse."""
    try:
        return column[kept:] if kept else column
    except (IndexError, KeyError, TypeError):
        return column


def _map_values(values: Values, change: Any) -> Values:
    if isinstance(values, Mapping):
        return {name: change(array) for name, array in values.items()}
    return cast("Values", change(values))


@dataclass(frozen=True)
class IndicatorRequest:
    """What a strategy or an indicator asks for: an indicator, its parameters, its inputs.

    `indicator` is a name (bare or qualified) or a class. `inputs` bind to the indicator's declared
    inputs in their order: names of candle columns or other requests; left out, the declared names are
    taken from the candles. `output` picks one output where a request serves as an input.
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

    `on` is what it reads instead of its declared candle columns, another request perhaps.
    """
    inputs = on if isinstance(on, tuple) else (on,)
    return IndicatorRequest(which, params, inputs, timeframe)
