"""Signals: events, not orders; columns, not objects."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import BoolArray, FloatArray, IntArray, read_only
from stratkernel.contracts.timeframes import iso

if TYPE_CHECKING:
    import pandas as pd


class SignalType(IntEnum):
    """What a signal says. Exits sort before entries: at one candle the way out comes first."""

    HOLD = 0
    EXIT_LONG = 1
    EXIT_SHORT = 2
    ENTRY_LONG = 3
    ENTRY_SHORT = 4


class SignalFlag(IntFlag):
    """What to know of a signal: indicators still settling, a gap within one lookback, a repaired candle."""

    SETTLING = 1
    AFTER_GAP = 2
    REPAIRED = 4

    @classmethod
    def names_of(cls, value: int) -> list[str]:
        return [flag.name.lower() for flag in cls if value & flag and flag.name]


NO_FLAGS: Final = SignalFlag(0)
_CODES: Final = np.arange(len(SignalType), dtype=np.int8)


class Signals:
    """What a strategy gives: the rows of its data at which something is to be said.

    `rows` int64 of any order, `types` `SignalType` codes, `confidence` 0..1, `metadata` columns of the
    same length. Rows are brought into order, exits before entries.
    """

    __slots__ = ("confidence", "metadata", "rows", "types")

    def __init__(
        self,
        rows: npt.ArrayLike,
        types: npt.ArrayLike | SignalType,
        *,
        confidence: npt.ArrayLike = 1.0,
        metadata: Mapping[str, npt.ArrayLike] | None = None,
    ) -> None:
        row_array = np.asarray(rows)
        shape = row_array.shape
        type_array = np.broadcast_to(np.asarray(types), shape) if np.ndim(types) == 0 else np.asarray(types)
        sure = (
            np.broadcast_to(np.asarray(confidence), shape)
            if np.ndim(confidence) == 0
            else np.asarray(confidence)
        )
        columns = {name: np.asarray(column) for name, column in (metadata or {}).items()}
        whole = row_array.ndim == 1 and type_array.shape == shape == sure.shape
        if whole and not in_order(row_array, type_array):
            order = np.lexsort((type_array, row_array))
            row_array, type_array, sure = row_array[order], type_array[order], sure[order]
            columns = {n: c[order] if c.shape == shape else c for n, c in columns.items()}
        self.rows, self.types, self.confidence, self.metadata = row_array, type_array, sure, columns

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def none(cls) -> "Signals":
        """No signal at all."""
        return cls(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int8))

    @classmethod
    def join(cls, parts: "Sequence[Signals]") -> "Signals":
        """Several sets of signals as one; all carry the same metadata columns."""
        if not parts:
            return cls.none()
        return cls(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.types for part in parts]),
            confidence=np.concatenate([part.confidence for part in parts]),
            metadata={
                name: np.concatenate([part.metadata[name] for part in parts]) for name in parts[0].metadata
            },
        )

    @classmethod
    def directional(
        cls,
        rows: IntArray,
        up: BoolArray,
        *,
        confidence: npt.ArrayLike = 1.0,
        metadata: Mapping[str, npt.ArrayLike] | None = None,
        allow_short: bool = False,
    ) -> "Signals":
        """The usual rule of a two-sided indicator: up is ENTRY_LONG, down is EXIT_LONG.

        With `allow_short` also EXIT_SHORT on up and ENTRY_SHORT on down, exits first.
        """
        long = cls(
            rows,
            np.where(up, _CODES[SignalType.ENTRY_LONG], _CODES[SignalType.EXIT_LONG]),
            confidence=confidence,
            metadata=metadata,
        )
        if not allow_short:
            return long
        short = cls(
            rows,
            np.where(up, _CODES[SignalType.EXIT_SHORT], _CODES[SignalType.ENTRY_SHORT]),
            confidence=confidence,
            metadata=metadata,
        )
        return cls.join([long, short])

    @classmethod
    def at(cls, mask: BoolArray, kind: SignalType, *, confidence: npt.ArrayLike = 1.0) -> "Signals":
        """Signals of one type where a boolean column is true; `confidence` one number or a column."""
        rows = np.flatnonzero(mask)
        sure = confidence if np.ndim(confidence) == 0 else np.asarray(confidence)[rows]
        return cls(rows, kind, confidence=sure)


@dataclass(frozen=True, slots=True)
class SignalOrigin:
    """All of what makes a signal's id but its time and type."""

    strategy: str
    plugin_version: str
    config_hash: str
    venue: str
    symbol: str
    timeframe: str
    origin: int

    def digest(self) -> "hashlib._Hash":
        parts = (
            self.strategy,
            self.plugin_version,
            self.config_hash,
            self.venue,
            self.symbol,
            self.timeframe,
            self.origin,
        )
        return hashlib.sha256(json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode())


@dataclass(frozen=True, slots=True)
class StrategySignal:
    """One signal as a row: `timestamp` is the close of its candle (ISO 8601 UTC), `price` that close."""

    id: str
    strategy: str
    config_hash: str
    symbol: str
    timeframe: str
    timestamp: str
    type: SignalType
    price: float
    confidence: float
    flags: SignalFlag = NO_FLAGS
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SignalTable:
    """Signals that the engine checked and priced, ordered by time, exits before entries.

    `timestamp` int64 microseconds UTC (the candle's close time), `types` int8 codes, `price` float64
    (the candle's close), `confidence` float64 in 0..1, `flags` uint8, `rows` the candle's number.
    """

    about: SignalOrigin
    rows: IntArray
    timestamp: IntArray
    types: npt.NDArray[np.int8]
    price: FloatArray
    confidence: FloatArray
    flags: npt.NDArray[np.uint8]
    metadata: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # validators and callers share the columns, so none of them may write
        for name in ("rows", "timestamp", "types", "price", "confidence", "flags"):
            object.__setattr__(self, name, read_only(getattr(self, name)))
        metadata = {name: read_only(column) for name, column in self.metadata.items()}
        object.__setattr__(self, "metadata", metadata)

    def __len__(self) -> int:
        return len(self.rows)

    def ids(self) -> list[str]:
        """SHA-256 ids, computed when asked for."""
        base = self.about.digest()
        ids = []
        for timestamp, code in zip(self.timestamp.tolist(), self.types.tolist(), strict=True):
            one = base.copy()
            one.update(f"|{timestamp}|{_TYPE_NAMES[code]}".encode())
            ids.append(one.hexdigest())
        return ids

    def select(self, which: "npt.NDArray[Any] | slice") -> "SignalTable":
        """The signals of a mask, an index array or a slice."""
        return SignalTable(
            self.about,
            self.rows[which],
            self.timestamp[which],
            self.types[which],
            self.price[which],
            self.confidence[which],
            self.flags[which],
            {name: column[which] for name, column in self.metadata.items()},
        )

    def __iter__(self) -> Iterator[StrategySignal]:
        about = self.about
        for i, identity in enumerate(self.ids()):
            yield StrategySignal(
                id=identity,
                strategy=about.strategy,
                config_hash=about.config_hash,
                symbol=about.symbol,
                timeframe=about.timeframe,
                timestamp=iso(int(self.timestamp[i])),
                type=SignalType(int(self.types[i])),
                price=float(self.price[i]),
                confidence=float(self.confidence[i]),
                flags=SignalFlag(int(self.flags[i])),
                metadata={name: column[i].item() for name, column in self.metadata.items()},
            )

    @property
    def frame(self) -> "pd.DataFrame":
        """A new DataFrame of all columns, one row a signal; `timestamp` in UTC, metadata in `metadata.*`."""
        import pandas as pd

        columns: dict[str, Any] = {
            "timestamp": pd.DatetimeIndex(self.timestamp.astype("datetime64[us]"), tz="UTC"),
            "signal_type": [_TYPE_NAMES[code] for code in self.types.tolist()],
            "price": self.price.copy(),
            "confidence": self.confidence.copy(),
            "strategy_name": self.about.strategy,
            "symbol": self.about.symbol,
            "timeframe": self.about.timeframe,
            "id": self.ids(),
            "flags": [",".join(SignalFlag.names_of(value)) for value in self.flags.tolist()],
        }
        return pd.DataFrame(columns | {f"metadata.{n}": c.copy() for n, c in self.metadata.items()})


def in_order(rows: npt.NDArray[Any], types: npt.NDArray[Any]) -> bool:
    """Whether rows ascend, and types within a row."""
    before, after = rows[:-1], rows[1:]
    if (after > before).all():
        return True
    same_row = after == before
    return bool((after >= before).all() and (types[1:][same_row] >= types[:-1][same_row]).all())


_TYPE_NAMES: Final = {member.value: member.name for member in SignalType}
