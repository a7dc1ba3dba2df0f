"""Is a strategy honest? Prefixes, poisoned futures and exact windows must not change its signals.

Each check gives the first difference that it finds as a sentence, or `None`. The cause of a difference
is in the strategy (it sees later candles, or reaches further back than it declares), not in the engine.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np

from stratkernel.contracts.arrays import FloatArray
from stratkernel.contracts.columns import CANDLE_COLUMNS, Columns, candle_columns
from stratkernel.contracts.signals import Signals, SignalType
from stratkernel.contracts.strategy import StrategyData
from stratkernel.contracts.timeframes import iso
from stratkernel.engine.signal_checks import check_signals
from stratkernel.engine.stream import StrategyStream
from stratkernel.kernel.guard import guard

NewStream: TypeAlias = Callable[[], StrategyStream]
Row: TypeAlias = tuple[int, int, dict[str, str]]
Rows: TypeAlias = list[Row]

EVERY_ROW_UP_TO = 2_000
COPRIME_STEP = 997


def cut_points(rows: int) -> Iterable[int]:
    """Where to cut a series: at every row up to 2,000, beyond that by a step that meets every residue."""
    near = range(1, min(rows, EVERY_ROW_UP_TO))
    return [*near, *range(EVERY_ROW_UP_TO, rows, COPRIME_STEP)]


def prefix_difference(
    new_stream: NewStream, columns: Columns, cuts: Iterable[int] | None = None
) -> str | None:
    """Signals of the first k candles must be those of all candles up to there, for every k."""
    whole = _rows(new_stream().advance(columns))
    for cut in cut_points(len(columns)) if cuts is None else cuts:
        part = _rows(new_stream().advance(columns.slice(0, cut)))
        difference = _first_difference([row for row in whole if row[0] < cut], part, columns)
        if difference:
            return f"with only the first {cut} candles known: {difference}; it looks ahead"
    return None


def poisoned_difference(
    new_stream: NewStream, columns: Columns, cuts: Iterable[int], seed: int = 0
) -> str | None:
    """What comes after row k must not change the signals before it, however absurd it is."""
    whole = _rows(new_stream().advance(columns))
    random = np.random.default_rng(seed)
    for cut in cuts:
        before = [row for row in whole if row[0] < cut]
        for factor in (10.0, 0.1, random.uniform(0.5, 2.0, len(columns) - cut)):
            poisoned = _poison(columns, cut, factor)
            after = _rows(new_stream().advance(poisoned))
            difference = _first_difference(before, [row for row in after if row[0] < cut], columns)
            if difference:
                return f"with other candles after the first {cut}: {difference}; it looks ahead"
    return None


def chunk_difference(new_stream: NewStream, columns: Columns, sizes: Sequence[int]) -> str | None:
    """However the candles are cut, and with the state saved and restored in between, signals are the same."""
    whole = _rows(new_stream().advance(columns))
    for size in sizes:
        stream, found = new_stream(), []
        for start in range(0, len(columns), size):
            part = stream.advance(columns.slice(start, min(start + size, len(columns))))
            part.rows = part.rows + start
            found += _rows(part)
            saved = stream.save({})
            stream = new_stream()
            stream.restore(saved, {})
        difference = _first_difference(whole, found, columns)
        if difference:
            return f"in chunks of {size}: {difference}"
    return None


def window_difference(stream: StrategyStream, columns: Columns) -> str | None:
    """`calculate` on exactly `window` rows must give the last row's signals of `calculate` on all rows."""
    strategy, window = stream.strategy, stream.strategy.window
    if window is None or strategy.is_fold:
        return None
    computed, _ = stream.graph.advance(columns, stream.graph.initial_states(), 0)
    first = min(stream.graph.first_row, len(columns))
    data = StrategyData(
        columns.slice(first, len(columns)), stream.graph.columns_of(computed, first, len(columns))
    )
    who = stream.item.title

    def calculate(part: StrategyData) -> Signals:
        with guard(who, "in calculate"):
            given = strategy.calculate(part)
        return check_signals(given, part.close_time, who)

    whole = [row for row in _rows(calculate(data)) if row[0] >= window - 1]
    found: Rows = []
    for last in range(window - 1, len(data)):
        part = data.slice(last - window + 1, last + 1)
        found += [
            (row[0] + last - window + 1, row[1], row[2])
            for row in _rows(calculate(part))
            if row[0] == window - 1
        ]
    difference = _first_difference(whole, found, data.candles)
    return (
        f"on exactly {window} rows: {difference}; it reaches further back than window = {window}"
        if difference
        else None
    )


def _rows(signals: Signals) -> Rows:
    """Row, type, and every other column by its name, as text that tells each bit and is equal for two NaN."""
    columns = {"confidence": signals.confidence, **signals.metadata}
    texts = {name: [repr(value) for value in column.tolist()] for name, column in columns.items()}
    places = zip(signals.rows.tolist(), signals.types.tolist(), strict=True)
    return [
        (row, kind, {name: column[i] for name, column in texts.items()})
        for i, (row, kind) in enumerate(places)
    ]


def _first_difference(expected: Rows, found: Rows, columns: Columns) -> str | None:
    if expected == found:
        return None
    for one, other in zip(expected, found, strict=False):
        if one[:2] != other[:2]:
            first, what = (one, "is missing") if one[:2] < other[:2] else (other, "is new")
            return f"{_say(first, columns)} {what}"
        if one != other:
            name = next(name for name in one[2] if one[2][name] != other[2].get(name))
            return f"{_say(one, columns)}: its {name} {one[2][name]} became {other[2].get(name)}"
    longer = expected if len(expected) > len(found) else found
    extra = longer[min(len(expected), len(found))]
    return f"{_say(extra, columns)} {'is missing' if longer is expected else 'is new'}"


def _say(row: Row, columns: Columns) -> str:
    return f"{SignalType(row[1]).name} at the candle that closes at {iso(int(columns.close_time[row[0]]))}"


def _poison(columns: Columns, cut: int, factor: float | FloatArray) -> Columns:
    arrays = {name: columns[name].copy() for name in CANDLE_COLUMNS}
    for name in CANDLE_COLUMNS:
        arrays[name][cut:] *= factor
    return candle_columns(arrays, columns.close_time)
