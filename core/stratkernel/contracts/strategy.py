"""Strategies: what they ask for, what they get, what they give."""

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, cast

import numpy as np
from typing_extensions import TypeVar

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.columns import Columns
from stratkernel.contracts.events import Events
from stratkernel.contracts.generic import params_of
from stratkernel.contracts.indicator import IndicatorRequest
from stratkernel.contracts.params import Params as ParamsModel
from stratkernel.contracts.params import make_params
from stratkernel.contracts.signals import Signals
from stratkernel.contracts.state import State
from stratkernel.contracts.templates import packaged_templates
from stratkernel.kernel.errors import PluginContractError

if TYPE_CHECKING:
    import pandas as pd

P = TypeVar("P", bound=ParamsModel, default=Any)


class StrategyData:
    """What a strategy decides on: candles and the indicators that it asked for, row by row.

    `data["close"]` is a candle column, `data["fast"]` the indicator of that alias, `data["macd.signal"]`
    one of several outputs. Arrays are float64 and read-only; no row of the warm-up is among them.
    """

    __slots__ = ("_columns", "candles")

    def __init__(self, candles: Columns, columns: Mapping[str, "FloatArray | Events"]) -> None:
        self.candles = candles
        self._columns = columns

    def __len__(self) -> int:
        return len(self.candles)

    def __getitem__(self, name: str) -> FloatArray:
        column = self._columns.get(name)
        if column is None:
            if name in self.candles:
                return self.candles[name]
            known = ", ".join([*self._columns, *self.candles.names])
            raise KeyError(f"no column {name!r}; there are: {known}")
        return column.dense() if isinstance(column, Events) else column

    @property
    def aliases(self) -> tuple[str, ...]:
        """The names of the indicator columns."""
        return tuple(self._columns)

    def column(self, name: str) -> "FloatArray | Events":
        """An indicator column as it is kept: dense, or as events."""
        return self._columns[name]

    def events(self, name: str) -> Events:
        """An event column as the rows and values at which something happened."""
        column = self._columns.get(name)
        if isinstance(column, Events):
            return column
        column = self[name]
        rows = np.flatnonzero(column)
        return Events(rows, column[rows], len(self))

    @property
    def close_time(self) -> IntArray:
        """When each row is known, int64 microseconds UTC."""
        return self.candles.close_time

    @property
    def frame(self) -> "pd.DataFrame":
        """A new DataFrame of all columns, indexed by close time; convenient, and slower than arrays."""
        frame = self.candles.frame
        for name in self._columns:
            frame[name] = self[name].copy()
        return frame

    def slice(self, start: int, stop: int) -> "StrategyData":
        """Rows `start` to `stop`."""
        part: dict[str, FloatArray | Events] = {
            name: column.slice(start, stop) if isinstance(column, Events) else column[start:stop]
            for name, column in self._columns.items()
        }
        return StrategyData(self.candles.slice(start, stop), part)


class BaseStrategy(ABC, Generic[P]):
    """A trading strategy.

    Write `get_required_indicators` and `calculate`. A signal at row i, its confidence and metadata
    included, may depend on rows i - window + 1 to i only; longer memory belongs into indicators.
    `window = None` says that it needs all of the history: it is then recalculated at every candle.
    A strategy with memory of its own overrides `initial_state` and `advance` instead.
    """

    name: ClassVar[str]
    Params: ClassVar[type[ParamsModel]] = ParamsModel
    window: ClassVar[int | None] = 2
    state_version: ClassVar[int] = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        model = params_of(cls, BaseStrategy)
        if model is not None:
            cls.Params = model

    def __init__(self, strategy_name: str | None = None, params: P | Mapping[str, Any] | None = None) -> None:
        self.strategy_name = strategy_name or self.name
        if not isinstance(params, self.Params):
            params = cast("P", make_params(self.Params, dict(params or {}), f"strategy '{self.name}'"))
        self.params: P = params

    @classmethod
    def templates(cls) -> Sequence[Mapping[str, Any]]:
        """Documents to begin with, for people who write none from nothing.

        By default the files `templates/*.json` beside the class, in its own package, that name this
        strategy; `docs/configuration.md` says what is in them.
        """
        return packaged_templates(cls.__module__, "strategy", cls.name)

    def get_required_indicators(self) -> Mapping[str, IndicatorRequest]:
        """The indicators that `calculate` reads, by the alias under which it reads them."""
        return {}

    def calculate(self, data: StrategyData) -> Signals:  # noqa: ARG002 - subclasses read it
        """The signals on these rows."""
        raise PluginContractError(f"strategy '{self.name}' defines neither calculate nor advance")

    def initial_state(self) -> State:
        """The state before the first row, for a strategy with memory of its own."""
        return {}

    def advance(self, data: StrategyData, state: State) -> tuple[Signals, State]:
        """Signals of the rows given, and the state after them; pure."""
        return self.calculate(data), state

    @property
    def is_fold(self) -> bool:
        """Whether it keeps a state of its own instead of looking at a window."""
        return type(self).advance is not BaseStrategy.advance
