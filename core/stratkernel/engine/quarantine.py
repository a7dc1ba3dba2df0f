"""Rows that the admission gate dropped, as they were, to be kept aside."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from stratkernel.contracts.admission_rules import Examination, Rule, examine
from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.contracts.source import UNREADABLE_TIME, RawCandles
from stratkernel.contracts.stored import QuarantinedCandle, Series

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def dropped_candles(raw: RawCandles, candles: Candles, now: datetime) -> list[QuarantinedCandle]:
    """What of `raw` is not in the candles that it was admitted as; `now` is that of the admission.

    A candle that is not over yet is not bad, and of an exact duplicate nothing is lost: both are left out.
    """
    if candles.report is None or not candles.report.dropped:
        return []
    found = examine(raw, (now - _EPOCH) // timedelta(microseconds=1))
    rows = _dropped_rows(found, raw)
    reasons = _reasons(found, rows)
    series = Series(raw.symbol, raw.timeframe.name, raw.venue)
    return [
        QuarantinedCandle(
            series=series,
            open_time=None if raw.open_time[row] == UNREADABLE_TIME else int(raw.open_time[row]),
            reason=reasons[row],
            content=_content(raw, row),
            seen_at=now,
        )
        for row in rows.tolist()
    ]


def _dropped_rows(found: Examination, raw: RawCandles) -> IntArray:
    """All rows but those that are forming, that are the first good one of their time, or mere repetitions."""
    fatal = np.zeros(found.rows, dtype=np.bool_)
    for rule, mask in found.broken.items():
        if rule.fatal:
            fatal |= mask
    good = np.flatnonzero(~fatal & ~found.forming)
    good = good[np.argsort(raw.open_time[good], kind="stable")]
    first = np.ones(len(good), dtype=np.bool_)
    first[1:] = raw.open_time[good][1:] != raw.open_time[good][:-1]
    dropped = ~found.forming
    dropped[good[first]] = False
    if Rule.DUPLICATE in found.broken:
        dropped &= ~found.broken[Rule.DUPLICATE] | fatal
    return np.flatnonzero(dropped)


def _reasons(found: Examination, rows: IntArray) -> dict[int, str]:
    """For each row the rules that it broke, and in which column."""
    texts: dict[int, list[str]] = defaultdict(list)
    for (rule, column), broken in found.cells.items():
        for row in broken[np.isin(broken, rows)].tolist():
            texts[row].append(f"{column}: {rule}")
    return {row: ", ".join(texts[row]) or "another row has its time" for row in rows.tolist()}


def _content(raw: RawCandles, row: int) -> str:
    """The values of a row, those that could not be read as they stood in the source."""
    unreadable_time = raw.unreadable.get((row, "open_time"))
    values = {} if unreadable_time is None else {"open_time": unreadable_time}
    for name in CANDLE_COLUMNS:
        values[name] = raw.unreadable.get((row, name), repr(float(raw.columns[name][row])))
    return ", ".join(f"{name}={value}" for name, value in values.items())
