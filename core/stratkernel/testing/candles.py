"""Made candles for tests: seeded, realistic, or with just the closes that a test needs."""

from typing import Any

import numpy as np

from stratkernel.contracts.arrays import FloatArray
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import candle_columns
from stratkernel.contracts.timeframes import Timeframe

_START = 1_700_000_000_000_000


def candles_from_close(
    close: FloatArray, *, timeframe: str = "1h", start: int = _START, **more: Any
) -> Candles:
    """Candles around a series of closes: each opens at the close before, high and low enclose both."""
    frame = Timeframe(timeframe)
    first = int(frame.floor(np.array([start]))[0])
    open_time = first + np.arange(len(close), dtype=np.int64) * frame.approximate_micros
    opens = np.concatenate((close[:1], close[:-1]))
    arrays = {
        "open": opens,
        "high": np.maximum(opens, close) * 1.001,
        "low": np.minimum(opens, close) * 0.999,
        "close": close,
        "volume": np.full(len(close), 10.0),
    }
    columns = candle_columns(arrays, frame.close_of(open_time))
    options: dict[str, Any] = {"symbol": "TEST", "calendar": Calendar.ALWAYS} | more
    return Candles(timeframe=frame, open_time=open_time, columns=columns, **options)


def random_walk(rows: int, seed: int = 0, start: float = 100.0, volatility: float = 0.01) -> FloatArray:
    """Closes of a geometric random walk."""
    steps = np.random.default_rng(seed).normal(0, volatility, rows)
    return start * np.exp(np.cumsum(steps))
