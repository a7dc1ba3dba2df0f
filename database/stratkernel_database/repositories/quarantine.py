"""Candles that were put aside, as rows."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from stratkernel.contracts.stored import QuarantinedCandle, Series
from stratkernel.kernel.errors import UsageError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SEPARATOR: Final = "\x1f"


def quarantine_columns(candles: Sequence[QuarantinedCandle]) -> dict[str, list[Any]]:
    """Columns of `quarantined_candles`, each candle once. Raises `UsageError` for a naive `seen_at`."""
    rows: dict[tuple[Series, str], QuarantinedCandle] = {}
    for candle in candles:
        if candle.seen_at.utcoffset() is None:
            raise UsageError(
                f"{candle.series}: seen_at {candle.seen_at} has no time zone; expected an aware one"
            )
        parts = _SEPARATOR.join((str(candle.open_time), candle.reason, candle.content))
        digest = hashlib.sha256(parts.encode()).hexdigest()
        rows.setdefault((candle.series, digest), candle)
    return {
        "venue": [series.venue for series, _ in rows],
        "symbol": [series.symbol for series, _ in rows],
        "timeframe": [series.timeframe for series, _ in rows],
        "open_time": [candle.open_time for candle in rows.values()],
        "reason": [candle.reason for candle in rows.values()],
        "content": [candle.content for candle in rows.values()],
        "content_hash": [digest for _, digest in rows],
        "seen_at": [(candle.seen_at - _EPOCH) // _MICROSECOND for candle in rows.values()],
    }


def quarantined_from(row: sa.Row[Any]) -> QuarantinedCandle:
    """A row of `quarantined_candles` as it was put aside."""
    return QuarantinedCandle(
        series=Series(row.symbol, row.timeframe, row.venue),
        open_time=row.open_time,
        reason=row.reason,
        content=row.content,
        seen_at=_EPOCH + row.seen_at * _MICROSECOND,
    )
