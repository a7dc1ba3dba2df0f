"""The relative strength index, Wilder's."""

from collections.abc import Mapping
from math import nan
from typing import Final, cast

import numpy as np
from pydantic import Field

from stratkernel import BaseIndicator, Columns, FloatArray, Params, State
from stratkernel.primitives import SMOOTH_START, NumericKernel, SmoothState, empty, smooth, smooth_step

_MEETS: Final = 45
"""Periods after which Wilder's smoothing from any start has met the same values (on moving prices)."""

_TILE: Final = 512

_SMALL: Final = 1e-200
"""Where the smoothed changes of a halted market stop to decay.

Both decay alike, so the index stays what it is; further down they would lose their digits, then vanish,
and the index would drift across levels. No later change can tell them from what they would have become.
"""


class RsiParams(Params):
    period: int = Field(14, ge=1, le=10_000, description="candles; the smoothing factor is 1 / period")


def _rsi_loop(
    close: FloatArray, period: int, previous: float, gain: float, loss: float, out: FloatArray
) -> tuple[float, float]:
    """Two lanes hide the latency of the recurrence, the second from a guess made `_MEETS` periods earlier.

    Equal means have equal successors: where the first lane ends on what the guess became, the second was
    right. Where not, as after long flat stretches, the second half is calculated again.
    """
    alpha = 1.0 / (1.0 + (period - 1.0))
    keep = 1.0 - alpha

    def smoothed(change: float, gain: float, loss: float) -> tuple[float, float]:
        rise, fall = max(change, 0.0), max(-change, 0.0)
        gain = gain if rise == gain else keep * gain + alpha * rise
        loss = loss if fall == loss else keep * loss + alpha * fall
        return gain, loss

    rows, early = len(close), _MEETS * period
    half = rows // 2 if rows > 4 * early else 0
    done = 0
    entered = previous, gain, loss
    halted = False
    if half:
        gain2 = loss2 = 0.0
        for row in range(half - early, half):
            gain2, loss2 = smoothed(close[row] - close[row - 1], gain2, loss2)
        guess = gain2, loss2
        gains, gains2 = np.empty(_TILE), np.empty(_TILE)
        for base in range(0, half, _TILE):
            close1, close2 = close[base:half], close[half + base - 1 :]
            out1, out2 = out[base:half], out[half + base : 2 * half]
            width = min(_TILE, half - base)
            for row in range(width):
                gain, loss = smoothed(close1[row] - previous, gain, loss)
                previous = close1[row]
                gains[row] = gain
                out1[row] = gain + loss
                gain2, loss2 = smoothed(close2[row + 1] - close2[row], gain2, loss2)
                gains2[row] = gain2
                out2[row] = gain2 + loss2
            for row in range(width):  # apart from the recurrence, so that divisions are done in fours
                halted |= 0.0 < out1[row] < _SMALL
                out1[row] = 100.0 * (gains[row] / out1[row]) if out1[row] > 0.0 else 50.0
            for row in range(width):
                halted |= 0.0 < out2[row] < _SMALL
                out2[row] = 100.0 * (gains2[row] / out2[row]) if out2[row] > 0.0 else 50.0
        done = half
        if gain == guess[0] and loss == guess[1]:
            gain, loss, done = gain2, loss2, 2 * half
            previous = close[done - 1]
    if halted:
        (previous, gain, loss), done = entered, 0
    for row in range(done, rows):
        change = close[row] - previous
        if change != 0.0 or gain + loss >= _SMALL:
            gain, loss = smoothed(change, gain, loss)
        previous = close[row]
        total = gain + loss
        out[row] = 100.0 * (gain / total) if total > 0.0 else 50.0
    return gain, loss


def _rsi_arrays(
    close: FloatArray, period: int, previous: float, gain: float, loss: float, out: FloatArray
) -> tuple[float, float]:
    change = np.diff(close, prepend=previous)
    gains, up = smooth(np.maximum(change, 0.0), period, SmoothState(period, 0.0, gain), wilder=True)
    losses, down = smooth(np.maximum(-change, 0.0), period, SmoothState(period, 0.0, loss), wilder=True)
    out[:] = 0.5
    total = gains + losses
    np.divide(gains, total, out=out, where=total > 0.0)
    out *= 100.0
    halted = np.flatnonzero((total < _SMALL) & (total > 0.0))
    if len(halted):
        row = int(halted[0])
        if row:
            previous, gain, loss = close[row - 1], gains[row - 1], losses[row - 1]
        return _rsi_loop(close[row:], period, previous, gain, loss, out[row:])
    return up.value, down.value


rsi_after_seed = NumericKernel(loop=_rsi_loop, arrays=_rsi_arrays)
"""(close, period, previous close, mean gain, mean loss, out) -> the means after the last row."""


class Rsi(BaseIndicator[RsiParams]):
    """100 * gain / (gain + loss), in points from 0 to 100, of the smoothed gains and losses of the changes.

    Smoothed with a = 1 / period and seeded with the means of the first `period` changes (J. W. Wilder,
    New Concepts in Technical Trading Systems, 1978). Before any change it is 50, which keeps the
    reflection RSI(-x) = 100 - RSI(x) and triggers nothing. Defined from row `period` on.
    """

    name = "rsi"

    def lookback(self) -> int:
        return self.params.period

    def settling(self) -> int:
        return _MEETS * self.params.period

    def initial_state(self) -> State:
        return {"close": None, "gain": SMOOTH_START, "loss": SMOOTH_START}

    def advance(self, columns: Columns, state: State) -> tuple[FloatArray, State]:
        close = columns[self.inputs[0]]
        out = empty(len(close))
        unseeded = self.params.period - SmoothState.restore(state["gain"]).seen
        seeding = min(unseeded + (state["close"] is None), len(close)) if unseeded else 0
        for row, x in enumerate(close[:seeding].tolist()):
            out[row], state = self.step({self.inputs[0]: x}, state)
        if seeding == len(close):
            return out, state
        gain, loss = SmoothState.restore(state["gain"]), SmoothState.restore(state["loss"])
        up, down = rsi_after_seed(
            close[seeding:],
            self.params.period,
            cast("float", state["close"]),
            gain.value,
            loss.value,
            out[seeding:],
        )
        return out, {
            "close": float(close[-1]),
            "gain": gain._replace(value=up),
            "loss": loss._replace(value=down),
        }

    def step(self, candle: Mapping[str, float], state: State) -> tuple[float, State]:
        """`advance` for one candle (values by the names of the inputs): NaN in the warm-up; the same bits."""
        close, previous = candle[self.inputs[0]], state["close"]
        if previous is None:
            return nan, {**state, "close": close}
        change = close - cast("float", previous)
        period = self.params.period
        up, down = SmoothState.restore(state["gain"]), SmoothState.restore(state["loss"])
        gain, loss = up.value, down.value
        if up.seen < period or change != 0.0 or gain + loss >= _SMALL:
            gain, up = smooth_step(max(change, 0.0), period, up, wilder=True)
            loss, down = smooth_step(max(-change, 0.0), period, down, wilder=True)
        after: State = {"close": close, "gain": up, "loss": down}
        if up.seen < period:
            return nan, after
        total = gain + loss
        return (100.0 * (gain / total) if total > 0.0 else 50.0), after
