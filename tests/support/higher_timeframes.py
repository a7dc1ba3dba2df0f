"""Plain loops that say what candles of a higher timeframe are and which of them a base row may see."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stratkernel import (
    BaseStrategy,
    Candles,
    Columns,
    IndicatorFactory,
    IndicatorRequest,
    Kernel,
    Signals,
    SignalType,
    StrategyData,
    StrategyFactory,
    Timeframe,
    candles_of,
    crossing,
    indicator,
)
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.engine.stream import StrategyStream
from stratkernel.engine.timeframes.plan import TimeframePlan
from stratkernel.testing.candles import candles_from_close, random_walk

MONDAY = 1_704_067_200_000_000
"""2024-01-01 00:00 UTC, a Monday and the first of a month."""


@dataclass(frozen=True)
class Bucket:
    """One higher candle, made by a loop; `count` is the number of its base candles."""

    close_time: int
    values: tuple[float, float, float, float, float]
    count: int


def buckets_of(candles: Candles, timeframe: str) -> list[Bucket]:
    """Every higher candle, the one that is still forming at the end too."""
    higher = Timeframe(timeframe)
    found: list[Bucket] = []
    rows = zip(*(candles.columns[name].tolist() for name in CANDLE_COLUMNS), strict=True)
    begin_before = None
    for time, (first, high, low, close, volume) in zip(candles.open_time.tolist(), rows, strict=True):
        begin = int(higher.floor(np.array([time]))[0])
        if begin != begin_before:
            end = int(higher.close_of(np.array([begin]))[0])
            found.append(Bucket(end, (first, high, low, close, volume), 1))
        else:
            o, h, lo, _, v = found[-1].values
            values = (o, max(h, high), min(lo, low), close, v + volume)
            found[-1] = Bucket(found[-1].close_time, values, found[-1].count + 1)
        begin_before = begin
    return found


def newest_at(buckets: list[Bucket], time: int) -> Bucket | None:
    """The newest that closed by a time."""
    closed = [bucket for bucket in buckets if bucket.close_time <= time]
    return closed[-1] if closed else None


def walk(rows: int, timeframe: str, seed: int = 1, start: int = MONDAY, **more: Any) -> Candles:
    """A walk with uneven volumes, whose sums depend on their order."""
    candles = candles_from_close(random_walk(rows, seed), timeframe=timeframe, start=start, **more)
    volume = np.random.default_rng(seed).lognormal(0.0, 3.0, rows)
    arrays = {name: candles.columns[name] for name in CANDLE_COLUMNS} | {"volume": volume}
    return replace(candles, columns=candle_columns(arrays, candles.close_time))


def without(candles: Candles, rows: Any) -> Candles:
    """The candles but for those of some rows."""
    keep = np.delete(np.arange(len(candles)), rows)
    arrays = {name: candles.columns[name][keep] for name in CANDLE_COLUMNS}
    return replace(
        candles, open_time=candles.open_time[keep], columns=candle_columns(arrays, candles.close_time[keep])
    )


def watching(*timeframes: str, window: int | None = 2) -> type[BaseStrategy[Any]]:
    """A strategy that speaks at nearly every candle, and says what it sees of higher timeframes."""

    class Watching(BaseStrategy):
        name = "watching"

        def get_required_indicators(self) -> Mapping[str, IndicatorRequest]:
            needed: dict[str, IndicatorRequest] = {"near": indicator("ema", period=3)}
            for name in timeframes:
                needed[f"candle_{name}"] = candles_of(name)
                needed[f"trend_{name}"] = indicator("ema", period=2, timeframe=name)
                lines = indicator("ema", period=2), indicator("ema", period=4)
                needed[f"cross_{name}"] = crossing(*lines, timeframe=name)
            return needed

        def calculate(self, data: StrategyData) -> Signals:
            rows = np.arange(len(data))
            seen: dict[str, Any] = {}
            for name in timeframes:
                seen |= {f"{what}_{name}": data[f"candle_{name}.{what}"] for what in CANDLE_COLUMNS}
                seen |= {f"trend_{name}": data[f"trend_{name}"], f"cross_{name}": data[f"cross_{name}"]}
            return Signals(rows, SignalType.HOLD, metadata=seen)

    Watching.window = window
    return Watching


def stream_of(
    kernel: Kernel, strategy: BaseStrategy[Any], candles: Candles, **sources: str
) -> StrategyStream:
    item = StrategyFactory(kernel).item(type(strategy))
    return StrategyStream(strategy, item, IndicatorFactory(kernel), TimeframePlan.of(candles, sources))


def said(stream: StrategyStream, columns: Columns, size: int | None = None) -> list[tuple[Any, ...]]:
    """Row, type, flags and the exact bits of all else that each signal says.

    In chunks of `size`, the state saved and restored in between (candle by candle every few candles).
    """
    found: list[tuple[Any, ...]] = []
    for number, start in enumerate(range(0, len(columns), size or len(columns))):
        part = columns.slice(start, min(start + (size or len(columns)), len(columns)))
        signals, flags = stream.advance_flagged(part)
        others = [signals.confidence, *(signals.metadata[name] for name in sorted(signals.metadata))]
        bits = [column.view(np.int64).tolist() for column in others]
        rows = (signals.rows + start).tolist()
        found += zip(rows, signals.types.tolist(), flags.tolist(), *bits, strict=True)
        if size is not None and (size > 1 or number % 11 == 0):
            stream.restore(stream.save({}), {})
    return found


def first_chunk_difference(
    new_stream: Callable[[], StrategyStream], columns: Columns, sizes: Sequence[int]
) -> object:
    """The first signal that differs in chunks, `None` where all are the same."""
    whole = said(new_stream(), columns)
    for size in sizes:
        found = said(new_stream(), columns, size)
        if found != whole:
            return size, next(
                (pair for pair in zip(whole, found, strict=False) if pair[0] != pair[1]), "count"
            )
    return None


def prefix_violations(
    new_stream: Callable[[], StrategyStream], columns: Columns, cuts: Iterable[int]
) -> list[int]:
    """The cuts at which the candles known up to there give other signals than all candles do."""
    whole = said(new_stream(), columns)
    return [
        cut
        for cut in cuts
        if said(new_stream(), columns.slice(0, cut)) != [each for each in whole if each[0] < cut]
    ]
