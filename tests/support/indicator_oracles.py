"""Series to try indicators on, ways to feed them, and rule R written out slowly in 50 digits."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Context, Decimal, localcontext
from itertools import pairwise
from typing import Any

import numpy as np

from stratkernel.contracts.columns import Columns
from stratkernel.contracts.state import decode_state, encode_state

DIGITS = Context(prec=50)
HEADER = {"indicator": "under test"}


def make_series(seed: int, rows: int, exponent: float) -> np.ndarray:
    """Prices between 1e-8 and 1e8: a walk, rounded to ticks or not, with flat runs and spikes."""
    rng = np.random.default_rng(seed)
    price = 10.0**exponent * np.exp(np.cumsum(rng.normal(0.0, 10.0 ** rng.uniform(-5, -1), rows)))
    if rng.random() < 0.5:  # ties
        tick = price[0] / rng.integers(10, 1_000)
        price = np.maximum(np.round(price / tick), 1.0) * tick
    for _ in range(rng.integers(0, 4)):
        start, length = rng.integers(0, rows), rng.integers(1, 150)
        price[start : start + length] = price[start]
    for _ in range(rng.integers(0, 3)):
        price[rng.integers(0, rows)] *= rng.choice([1000.0, 0.001])
    if rng.random() < 0.1:
        price[:] = price[0]
    return np.clip(price, 1e-8, 1e8)


def close_columns(close: np.ndarray) -> Columns:
    """Columns of closes that nobody can write to."""
    close = np.array(close, dtype=np.float64)
    close.flags.writeable = False
    return Columns({"close": close}, np.arange(len(close), dtype=np.int64))


def named(indicator: Any, values: Any) -> dict[str, Any]:
    """Values by output, also for an indicator of one output."""
    return dict(values) if isinstance(values, Mapping) else {indicator.outputs[0]: values}


def whole(indicator: Any, close: np.ndarray) -> dict[str, np.ndarray]:
    """One call for all rows."""
    return named(indicator, indicator.advance(close_columns(close), indicator.initial_state())[0])


def in_chunks(indicator: Any, close: np.ndarray, sizes: Iterable[int]) -> dict[str, np.ndarray]:
    """Chunk after chunk, the state saved and read back after each."""
    columns, state, start = close_columns(close), indicator.initial_state(), 0
    parts = []
    for size in sizes:
        values, state = indicator.advance(columns.slice(start, start + size), state)
        state = decode_state(encode_state(state, HEADER), HEADER)
        parts.append(named(indicator, values))
        start += size
        if start >= len(close):
            break
    return {name: np.concatenate([part[name] for part in parts]) for name in indicator.outputs}


def step_by_step(indicator: Any, close: np.ndarray) -> dict[str, np.ndarray]:
    """Candle after candle, in plain floats."""
    state = indicator.initial_state()
    rows: list[dict[str, float]] = []
    for x in close.tolist():
        values, state = indicator.step({"close": x}, state)
        rows.append(named(indicator, values))
    return {name: np.array([row[name] for row in rows]) for name in indicator.outputs}


def same_bits(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    """Whether all outputs are equal to the last bit; NaN equals NaN."""
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name], equal_nan=True) for name in one
    )


def exact_average(values: Iterable[Decimal], period: int, factor: Decimal) -> Iterator[Decimal | None]:
    """The mean of the first `period` values, then e = (1 - factor) * e + factor * x."""
    total, average = Decimal(0), None
    for seen, x in enumerate(values, start=1):
        if average is None:
            total += x
            average = total / period if seen == period else None
        else:
            average += factor * (x - average)
        yield average


def exact_ema(close: np.ndarray, period: int) -> np.ndarray:
    with localcontext(DIGITS):
        factor = Decimal(2) / (period + 1)
        return _floats(exact_average(map(Decimal, close.tolist()), period, factor))


def exact_rsi(close: np.ndarray, period: int) -> np.ndarray:
    with localcontext(DIGITS):
        prices = [Decimal(x) for x in close.tolist()]
        changes = [after - before for before, after in pairwise(prices)]
        factor = 1 / Decimal(period)
        gains = exact_average((max(change, Decimal(0)) for change in changes), period, factor)
        losses = exact_average((max(-change, Decimal(0)) for change in changes), period, factor)
        return _floats([None, *(_strength(up, down) for up, down in zip(gains, losses, strict=True))])


def _strength(gain: Decimal | None, loss: Decimal | None) -> Decimal | None:
    if gain is None or loss is None:
        return None
    return 100 * gain / (gain + loss) if gain + loss else Decimal(50)


def exact_macd(close: np.ndarray, fast: int, slow: int, signal: int) -> dict[str, np.ndarray]:
    with localcontext(DIGITS):
        prices = [Decimal(x) for x in close.tolist()]
        faster = exact_average(prices, fast, Decimal(2) / (fast + 1))
        slower = exact_average(prices, slow, Decimal(2) / (slow + 1))
        macd = [None if b is None else a - b for a, b in zip(faster, slower, strict=True)]  # type: ignore[operator]
        defined = [value for value in macd if value is not None]
        line = [None] * (len(macd) - len(defined))
        line += exact_average(defined, signal, Decimal(2) / (signal + 1))  # type: ignore[arg-type]
        histogram = [
            None if b is None else a - b  # type: ignore[operator]
            for a, b in zip(macd, line, strict=True)
        ]
        return {"macd": _floats(macd), "signal": _floats(line), "histogram": _floats(histogram)}


def _floats(values: Iterable[Decimal | None]) -> np.ndarray:
    return np.array([np.nan if value is None else float(value) for value in values])
