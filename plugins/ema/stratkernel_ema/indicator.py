"""The exponential moving average."""

from collections.abc import Mapping

from pydantic import Field

from stratkernel import BaseIndicator, Columns, FloatArray, Params, State
from stratkernel.primitives import SMOOTH_START, SmoothState, smooth, smooth_step


class EmaParams(Params):
    period: int = Field(20, ge=1, le=10_000, description="candles; the smoothing factor is 2 / (period + 1)")


class Ema(BaseIndicator[EmaParams]):
    """e = (1 - a) * e + a * x with a = 2 / (period + 1), seeded with the mean of the first `period` values.

    In the units of its input. Defined from row `period - 1` on.
    """

    name = "ema"
    absorbing = True

    def lookback(self) -> int:
        return self.params.period - 1

    def settling(self) -> int:
        return 20 * self.params.period

    def initial_state(self) -> State:
        return {"average": SMOOTH_START}

    def advance(self, columns: Columns, state: State) -> tuple[FloatArray, State]:
        before = SmoothState.restore(state["average"])
        values, average = smooth(columns[self.inputs[0]], self.params.period, before)
        return values, {"average": average}

    def step(self, candle: Mapping[str, float], state: State) -> tuple[float, State]:
        """`advance` for one candle (values by the names of the inputs): NaN in the warm-up; the same bits."""
        before = SmoothState.restore(state["average"])
        value, average = smooth_step(candle[self.inputs[0]], self.params.period, before)
        return value, {"average": average}
