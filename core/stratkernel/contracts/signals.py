"""Signals: events, not orders; columns, not objects."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Any, Final, TypeAlias

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
    """What to know of a signal.

    Indicators are still settling, a gap lies within one lookback, its candle was repaired, or the newest
    candle of a higher timeframe that it reads lacks some of its base candles.
    """

    SETTLING = 1
    AFTER_GAP = 2
    REPAIRED = 4
    INCOMPLETE = 8

    @classmethod
    def names_of(cls, value: int) -> list[str]:
        return [flag.name.lower() for flag in cls if value & flag and flag.name]


NO_FLAGS: Final = SignalFlag(0)
_LONG_CODES: Final = np.array([SignalType.EXIT_LONG, SignalType.ENTRY_LONG], dtype=np.int8)
_SHORT_CODES: Final = np.array([SignalType.ENTRY_SHORT, SignalType.EXIT_SHORT], dtype=np.int8)
"""What a line that falls and one that rises says of longs and of shorts."""


SignalDetails: TypeAlias = Callable[[IntArray], tuple[npt.ArrayLike, Mapping[str, npt.ArrayLike]]]
"""Confidence and metadata of the signals at these rows of the data."""


class Signals:
    """What a strategy gives: the rows of its data at which something is to be said.

    `rows` int64 of any order, `types` `SignalType` codes, `confidence` 0..1, `metadata` columns of the
    same length. Rows are brought into order, exits before entries. Instead of the last two there may be
    `details`, a pure function of some of these rows to their confidence and metadata, called when somebody
    looks at them: a sweep over parameters does not.
    """

    __slots__ = ("confidence", "details", "metadata", "rows", "types")

    def __init__(
        self,
        rows: npt.ArrayLike,
        types: npt.ArrayLike | SignalType,
        *,
        confidence: npt.ArrayLike = 1.0,
        metadata: Mapping[str, npt.ArrayLike] | None = None,
        details: "SignalDetails | None" = None,
    ) -> None:
        row_array = np.asarray(rows)
        shape = row_array.shape
        type_array = np.asarray(types)
        if type_array.ndim == 0:
            type_array = np.broadcast_to(type_array, shape)
        whole = row_array.ndim == 1 and type_array.shape == shape
        order = None
        if whole and not in_order(row_array, type_array):
            order = np.lexsort((type_array, row_array))
            row_array, type_array = row_array[order], type_array[order]
        self.rows, self.types, self.details = row_array, type_array, details
        if details is None:
            self._describe(confidence, metadata or {}, order)

    def __getattr__(self, name: str) -> Any:
        """What `details` say, when it is first looked at."""
        if name == "details":
            return None
        if name not in {"confidence", "metadata"} or self.details is None:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute {name!r}")
        self._describe(*self.details(self.rows), None)
        return getattr(self, name)

    def _describe(
        self, confidence: npt.ArrayLike, metadata: Mapping[str, npt.ArrayLike], order: IntArray | None
    ) -> None:
        shape = self.rows.shape
        sure = np.asarray(confidence)
        if sure.ndim == 0:
            sure = np.broadcast_to(sure, shape)
        columns = {name: np.asarray(column) for name, column in metadata.items()}
        if order is not None:
            sure = sure[order] if sure.shape == shape else sure
            columns = {n: c[order] if c.shape == shape else c for n, c in columns.items()}
        self.confidence, self.metadata = sure, columns

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
        rows = np.concatenate([part.rows for part in parts])
        types = np.concatenate([part.types for part in parts])
        details = parts[0].details
        if details is not None and all(part.details is details for part in parts):
            return cls(rows, types, details=details)
        return cls(
            rows,
            types,
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
        details: "SignalDetails | None" = None,
        allow_short: bool = False,
    ) -> "Signals":
        """The usual rule of a two-sided indicator: up is ENTRY_LONG, down is EXIT_LONG.

        With `allow_short` also EXIT_SHORT on up and ENTRY_SHORT on down, exits first.
        """
        long = cls(
            rows,
            _LONG_CODES.take(np.asarray(up, dtype=np.bool_)),
            confidence=confidence,
            metadata=metadata,
            details=details,
        )
        if not allow_short:
            return long
        short = cls(
            rows,
            _SHORT_CODES.take(np.asarray(up, dtype=np.bool_)),
            confidence=confidence,
            metadata=metadata,
            details=details,
        )
        return cls.join([long, short])

    def along(self, trend: FloatArray) -> "Signals":
        """Without entries against a trend, of which `trend` has one value a row of the data.

        Long ones need a positive value at their row, short ones a negative. Exits all stay.
        """
        here = np.asarray(trend)[self.rows]
        against = (self.types == SignalType.ENTRY_LONG) & ~(here > 0)
        against |= (self.types == SignalType.ENTRY_SHORT) & ~(here < 0)
        keep = ~against
        if self.details is not None:
            return Signals(self.rows[keep], self.types[keep], details=self.details)
        return Signals(
            self.rows[keep],
            self.types[keep],
            confidence=self.confidence[keep],
            metadata={name: column[keep] for name, column in self.metadata.items()},
        )

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
        return [
            signal_id(base, timestamp, code)
            for timestamp, code in zip(self.timestamp.tolist(), self.types.tolist(), strict=True)
        ]

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


def signal_id(base: "hashlib._Hash", timestamp: int, code: int) -> str:
    """The id of a signal: the digest of its origin, then its time (microseconds UTC) and type."""
    one = base.copy()
    one.update(f"|{timestamp}|{_TYPE_NAMES[code]}".encode())
    return one.hexdigest()


def in_order(rows: npt.NDArray[Any], types: npt.NDArray[Any]) -> bool:
    """Whether rows ascend, and types within a row."""
    before, after = rows[:-1], rows[1:]
    if np.count_nonzero(after > before) == len(after):
        return True
    same_row = after == before
    return bool((after >= before).all() and (types[1:][same_row] >= types[:-1][same_row]).all())


_TYPE_NAMES: Final = {member.value: member.name for member in SignalType}
