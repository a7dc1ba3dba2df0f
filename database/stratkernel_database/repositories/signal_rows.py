"""Signals as columns of rows, and back; what is new among them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

from stratkernel.contracts.arrays import BoolArray, IntArray
from stratkernel.contracts.signals import SignalTable
from stratkernel.contracts.stored import RunRecord, SignalStatus
from stratkernel.kernel.errors import UsageError
from stratkernel_database.dialects.base import ColumnValues
from stratkernel_database.json_column import encode_json
from stratkernel_database.models import strategy_signals as signals

STATUSES: Final = tuple(SignalStatus)
RETRACTED: Final = STATUSES.index(SignalStatus.RETRACTED)
_KINDS: Final = 8  # a power of two above the codes of types, so that time and type make one number
_TOGETHER: Final = 4_096  # texts that are decoded as one list: a tenth of the time of one by one

Texts: TypeAlias = "npt.NDArray[np.object_]"


@dataclass(frozen=True, eq=False)
class SignalColumns:
    """Signals by time and type, each once; `metadata` as JSON, None where there is none."""

    timestamp: IntArray
    types: IntArray
    flags: IntArray
    price: npt.NDArray[np.float64]
    confidence: npt.NDArray[np.float64]
    metadata: Texts

    def __len__(self) -> int:
        return len(self.timestamp)

    @property
    def key(self) -> IntArray:
        return self.timestamp * _KINDS + self.types

    def select(self, which: "npt.NDArray[Any]") -> "SignalColumns":
        return SignalColumns(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class StoredRevisions:
    """The newest revision of each signal that is stored, by time and type."""

    columns: SignalColumns
    revision: IntArray
    status: IntArray

    def select(self, which: "npt.NDArray[Any]") -> "StoredRevisions":
        return StoredRevisions(self.columns.select(which), self.revision[which], self.status[which])


SELECTED: Final = (
    signals.c.timestamp,
    signals.c.signal_type,
    signals.c.revision,
    signals.c.status,
    signals.c.flags,
    signals.c.price,
    signals.c.confidence,
)
METADATA: Final = sa.cast(signals.c.signal_metadata, sa.Text).label("signal_metadata")
TYPES: Final[dict[str, type]] = {
    "timestamp": np.int64,
    "signal_type": np.int64,
    "revision": np.int64,
    "status": np.int64,
    "flags": np.int64,
    "price": np.float64,
    "confidence": np.float64,
}


def columns_of(table: SignalTable) -> SignalColumns:
    """The columns of signals. Raises `UsageError` for two of one type at one time."""
    columns = SignalColumns(
        table.timestamp,
        table.types.astype(np.int64),
        table.flags.astype(np.int64),
        table.price,
        table.confidence,
        _encoded(table.metadata, len(table)),
    )
    step = np.diff(columns.key)
    if (step <= 0).any():
        columns = columns.select(np.argsort(columns.key, kind="stable"))
        if (np.diff(columns.key) == 0).any():
            raise UsageError("two signals have one type and time; expected each type at most once a candle")
    return columns


def latest_of(read: Mapping[str, npt.NDArray[Any]]) -> StoredRevisions:
    """The newest revisions among rows that were read by time, type and revision."""
    columns = SignalColumns(
        read["timestamp"],
        read["signal_type"],
        read["flags"],
        read["price"],
        read["confidence"],
        read["signal_metadata"],
    )
    key = columns.key
    newest = np.append(key[1:] != key[:-1], [True] * bool(len(key))).astype(bool)
    return StoredRevisions(columns, read["revision"], read["status"]).select(newest)


def compare(new: SignalColumns, stored: StoredRevisions) -> tuple[BoolArray, BoolArray, IntArray]:
    """Which signals are stored, which of those say the same as then, and where each is in `stored`."""
    key, old = new.key, stored.columns.key
    place = np.searchsorted(old, key)
    there = np.zeros(len(key), dtype=bool)
    inside = place < len(old)
    there[inside] = old[place[inside]] == key[inside]
    place[~there] = 0
    unchanged = there.copy()
    before = stored.select(place[there])
    unchanged[there] = before.status != RETRACTED
    for name in ("price", "confidence", "flags", "metadata"):
        now, then = getattr(new, name)[there], getattr(before.columns, name)
        unchanged[there] &= now == then
    return there, unchanged, place


def rows_of(
    run: int,
    record: RunRecord,
    columns: SignalColumns,
    revision: IntArray,
    status: IntArray,
) -> dict[str, ColumnValues]:
    """The columns of the table for signals of a run."""
    count = len(columns)
    return {
        "run": np.full(count, run),
        "timestamp": columns.timestamp,
        "signal_type": columns.types,
        "revision": revision,
        "status": status,
        "flags": columns.flags,
        "price": columns.price,
        "confidence": columns.confidence,
        "is_current": status != RETRACTED,
        "strategy_name": [record.run.strategy_name] * count,
        "symbol": [record.run.symbol] * count,
        "timeframe": [record.run.timeframe] * count,
        "signal_metadata": columns.metadata.tolist(),
    }


def decoded(texts: Sequence[str | None]) -> tuple[Mapping[str, Any], ...]:
    """Stored metadata, an empty dict where there is none."""
    # not by the dialect of the connection: psycopg's leaves columns of JSON to psycopg, and these are texts
    decode = cast("Callable[[str], Any]", sa.JSON().result_processor(DefaultDialect(), None))
    found: list[Mapping[str, Any]] = []
    for start in range(0, len(texts), _TOGETHER):
        found += decode(f"[{','.join(text or '{}' for text in texts[start : start + _TOGETHER])}]")
    return tuple(found)


def _encoded(metadata: Mapping[str, npt.NDArray[Any]], count: int) -> Texts:
    """Metadata as a JSON object for each signal, keys in their order; what is not finite is null."""
    texts = np.full(count, None, dtype=object)
    if not metadata or not count:
        return texts
    pattern = ",".join(f"{encode_json(name).replace('%', '%%')}:%s" for name in metadata)
    columns = [_encoded_column(column) for column in metadata.values()]
    texts[:] = [f"{{{pattern}}}" % row for row in zip(*columns, strict=True)]
    return texts


def _encoded_column(column: npt.NDArray[Any]) -> list[str]:
    if column.dtype.kind == "f":
        values = column.astype(np.float64).tolist()
        finite = bool(np.isfinite(column).all())
        return (
            list(map(repr, values)) if finite else [repr(v) if math.isfinite(v) else "null" for v in values]
        )
    if column.dtype.kind in "iu":
        return list(map(str, column.tolist()))
    return list(map(encode_json, column.tolist()))
