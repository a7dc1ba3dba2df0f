"""Crossings as indicators: the only memory that most strategies need."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from stratkernel.contracts.columns import Columns
from stratkernel.contracts.events import Events
from stratkernel.contracts.indicator import BaseIndicator, IndicatorRequest, Values
from stratkernel.contracts.params import Params
from stratkernel.contracts.state import State
from stratkernel.engine.kernels.folds import crossings


class CrossingParams(Params):
    relative: float = Field(1e-9, ge=0, description="half width of the dead band, as a share of the price")


class LevelCrossingParams(Params):
    level: float = Field(description="the level, in the units of the line")
    absolute: float = Field(1e-9, ge=0, description="half width of the dead band, in the units of the line")


class Crossing(BaseIndicator[CrossingParams]):
    """Where one line in price units crosses another: +1.0 upwards, -1.0 downwards.

    Fires when the difference leaves a dead band of `relative` x close on the other side than the one on
    which it last was; equality keeps the side, so a flat market is silent.
    """

    name = "crossing"
    inputs: ClassVar[tuple[str, ...]] = ("line", "other", "close")
    event_outputs: ClassVar[frozenset[str]] = frozenset({"crossing"})

    def lookback(self) -> int:
        return 0

    def initial_state(self) -> State:
        return {"side": 0}

    def advance(self, columns: Columns, state: State) -> tuple[Values, State]:
        rows, directions, side = crossings(
            columns["line"],
            columns["other"],
            relative=self.params.relative,
            scale=columns["close"],
            side=_side(state),
        )
        return {self.name: Events(rows, directions, len(columns))}, {"side": side}


class LevelCrossing(BaseIndicator[LevelCrossingParams]):
    """Where a line crosses a level: +1.0 upwards, -1.0 downwards; the dead band is absolute."""

    name = "level_crossing"
    inputs: ClassVar[tuple[str, ...]] = ("line",)
    event_outputs: ClassVar[frozenset[str]] = frozenset({"level_crossing"})

    def lookback(self) -> int:
        return 0

    def initial_state(self) -> State:
        return {"side": 0}

    def advance(self, columns: Columns, state: State) -> tuple[Values, State]:
        rows, directions, side = crossings(
            columns["line"],
            np.float64(self.params.level),
            absolute=self.params.absolute,
            side=_side(state),
        )
        return {self.name: Events(rows, directions, len(columns))}, {"side": side}


def crossing(
    line: "IndicatorRequest | str",
    other: "IndicatorRequest | str",
    *,
    relative: float = 1e-9,
    timeframe: str | None = None,
) -> IndicatorRequest:
    """Ask for the crossings of two lines in price units (indicators or candle columns), as events.

    With a `timeframe` both lines are of that one.
    """
    return IndicatorRequest(Crossing, {"relative": relative}, (line, other, "close"), timeframe)


def level_crossing(
    line: "IndicatorRequest | str", level: float, *, absolute: float = 1e-9, timeframe: str | None = None
) -> IndicatorRequest:
    """Ask for the crossings of a line through a level, as events; the line may be of a higher timeframe."""
    return IndicatorRequest(LevelCrossing, {"level": float(level), "absolute": absolute}, (line,), timeframe)


def _side(state: State) -> int:
    side = state["side"]
    assert isinstance(side, int)
    return side
