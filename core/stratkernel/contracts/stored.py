"""What is stored, as it goes into and comes out of a storage: runs, signals, candles, checkpoints."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.result import StrategyRun
from stratkernel.contracts.signals import SignalFlag, SignalOrigin, SignalType, signal_id
from stratkernel.contracts.timeframes import iso

if TYPE_CHECKING:
    import pandas as pd


class RunKind(StrEnum):
    """What a run was part of."""

    RUN = "run"
    BATCH = "batch"
    SWEEP = "sweep"
    LIVE = "live"


class RunStatus(StrEnum):
    """How far a run is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SignalStatus(StrEnum):
    """`fresh` as it happened, `replayed` after a stop, `retracted` by a revised candle."""

    FRESH = "fresh"
    REPLAYED = "replayed"
    RETRACTED = "retracted"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run and where it came from.

    `span` is the open time of the first candle that came out and the close time of the last
    (microseconds UTC), `batch` names the batch or sweep that it belongs to. What comes out of a storage says
    in `signal_count` how many current signals it has.
    """

    run_id: UUID
    kind: RunKind
    run: StrategyRun
    data_hash: str
    span: tuple[int, int]
    candles: int
    costs: Mapping[str, Any]
    engine_version: str
    started_at: datetime
    finished_at: datetime | None = None
    status: RunStatus = RunStatus.DONE
    metrics: Mapping[str, float | int | None] = field(default_factory=dict)
    quality: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    starred: bool = False
    batch: str | None = None
    signal_count: int = 0

    @property
    def signal_origin(self) -> SignalOrigin:
        """All of what makes the ids of its signals but their time and type."""
        run = self.run
        return SignalOrigin(
            run.strategy,
            run.plugin_version,
            run.config_hash,
            run.venue,
            run.symbol,
            run.timeframe,
            run.origin,
        )


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs; what is `None` does not matter. `strategy` is the strategy's name or qualified id.

    `since` and `until` bound when the run started, aware; `config_hash` and `data_hash` find a result that
    was computed before.
    """

    strategy: str | None = None
    symbol: str | None = None
    timeframe: str | None = None
    venue: str | None = None
    kind: RunKind | None = None
    status: RunStatus | None = None
    batch: str | None = None
    starred: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    config_hash: str | None = None
    data_hash: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class SignalQuery:
    """Which signals; what is `None` does not matter.

    `strategy` is the run's strategy name or qualified id, `start` (inclusive) and `end` (exclusive) bound
    the timestamp, aware. `current` leaves out what a later revision replaced, and what was retracted.
    """

    run_ids: tuple[UUID, ...] | None = None
    strategy: str | None = None
    symbol: str | None = None
    timeframe: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    types: tuple[SignalType, ...] | None = None
    min_confidence: float | None = None
    max_confidence: float | None = None
    current: bool = True
    with_metadata: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class SignalWrite:
    """What became of signals that were stored: new rows, rows that were there, rows that differed."""

    inserted: int = 0
    unchanged: int = 0
    revised: int = 0
    new_run: bool = False


@dataclass(frozen=True, slots=True)
class StoredSignal:
    """One stored signal; `timestamp` ISO 8601 UTC."""

    id: str
    timestamp: str
    type: SignalType
    price: float
    confidence: float
    strategy_name: str
    symbol: str
    timeframe: str
    run_id: UUID
    status: SignalStatus
    revision: int
    flags: SignalFlag
    metadata: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class StoredSignals:
    """Signals of any number of runs, as columns of shape (n,).

    `run` numbers the run of each signal within `runs`; `metadata` is None unless it was asked for.
    """

    runs: tuple[RunRecord, ...]
    run: IntArray
    timestamp: IntArray
    types: npt.NDArray[np.int8]
    price: FloatArray
    confidence: FloatArray
    flags: npt.NDArray[np.uint8]
    status: tuple[SignalStatus, ...]
    revision: IntArray
    metadata: tuple[Mapping[str, Any], ...] | None = None

    def __len__(self) -> int:
        return len(self.run)

    @cached_property
    def ids(self) -> list[str]:
        """SHA-256 ids, computed when asked for."""
        bases = [run.signal_origin.digest() for run in self.runs]
        return [
            signal_id(bases[run], timestamp, kind)
            for run, timestamp, kind in zip(
                self.run.tolist(), self.timestamp.tolist(), self.types.tolist(), strict=True
            )
        ]

    def __iter__(self) -> Iterator[StoredSignal]:
        for i, identity in enumerate(self.ids):
            record = self.runs[int(self.run[i])]
            yield StoredSignal(
                id=identity,
                timestamp=iso(int(self.timestamp[i])),
                type=SignalType(int(self.types[i])),
                price=float(self.price[i]),
                confidence=float(self.confidence[i]),
                strategy_name=record.run.strategy_name,
                symbol=record.run.symbol,
                timeframe=record.run.timeframe,
                run_id=record.run_id,
                status=self.status[i],
                revision=int(self.revision[i]),
                flags=SignalFlag(int(self.flags[i])),
                metadata=self.metadata[i] if self.metadata is not None else {},
            )

    @property
    def frame(self) -> "pd.DataFrame":
        """A new DataFrame, one row a signal; `timestamp` in UTC, metadata in `metadata.*`."""
        import pandas as pd

        def of_run(values: list[str]) -> Any:
            return np.array(values, dtype=object)[self.run] if values else np.empty(0, dtype=object)

        names = [kind.name for kind in SignalType]
        columns: dict[str, Any] = {
            "timestamp": pd.DatetimeIndex(self.timestamp.astype("datetime64[us]"), tz="UTC"),
            "signal_type": [names[code] for code in self.types.tolist()],
            "price": self.price,
            "confidence": self.confidence,
            "strategy_name": of_run([record.run.strategy_name for record in self.runs]),
            "symbol": of_run([record.run.symbol for record in self.runs]),
            "timeframe": of_run([record.run.timeframe for record in self.runs]),
            "run_id": of_run([str(record.run_id) for record in self.runs]),
            "id": self.ids,
            "status": [status.value for status in self.status],
            "revision": self.revision,
            "flags": [",".join(SignalFlag.names_of(value)) for value in self.flags.tolist()],
        }
        keys = dict.fromkeys(key for row in self.metadata or () for key in row)
        columns |= {f"metadata.{key}": [row.get(key) for row in self.metadata or ()] for key in keys}
        return pd.DataFrame(columns)


SignalGroup: TypeAlias = Literal["strategy", "symbol", "timeframe", "day"]


@dataclass(frozen=True, slots=True)
class WinRule:
    """When a signal counts as won: the price moved its way until the next signal, or after some candles.

    `next_signal`: until the run's next opposite signal (its exit or the other side); the last open signal
    is not counted. `horizon_bars`: `bars` candles later, by the stored candles of its series; signals
    without such a candle are not counted. HOLD and exits are never counted.
    """

    name: Literal["next_signal", "horizon_bars"] = "next_signal"
    bars: int = 12


@dataclass(frozen=True, slots=True)
class SignalStatistics:
    """Signals of one group; `group` has a value for each name that was grouped by (days as 2024-01-31)."""

    group: Mapping[str, str]
    count: int
    by_type: Mapping[str, int]
    mean_confidence: float
    first: int
    last: int
    decided: int = 0
    won: int = 0

    @property
    def win_rate(self) -> float | None:
        """Won of those that were decided; `None` where none was."""
        return self.won / self.decided if self.decided else None


@dataclass(frozen=True, slots=True)
class Series:
    """Which candles: `symbol` of `venue` in candles of `timeframe`."""

    symbol: str
    timeframe: str
    venue: str = "local"

    def __str__(self) -> str:
        return f"{self.symbol} {self.timeframe}" + (f" of {self.venue}" if self.venue != "local" else "")


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """A series and how much of it is stored; `first` and `last` are open times, microseconds UTC.

    `calendar_given` says that somebody said the calendar, as against one that the candles suggested.
    """

    series: Series
    calendar: Calendar
    omits_empty: bool
    candles: int
    first: int | None
    last: int | None
    calendar_given: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing candles between two that are there, `start` and `end` their open times."""

    start: int
    end: int
    missing: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """A series and its gaps, the longest first."""

    stored: StoredSeries
    gaps: tuple[Gap, ...]

    @property
    def missing(self) -> int:
        return sum(gap.missing for gap in self.gaps)


@dataclass(frozen=True, slots=True)
class CandleWrite:
    """What became of candles that were stored."""

    inserted: int = 0
    unchanged: int = 0
    replaced: int = 0


@dataclass(frozen=True, slots=True)
class QuarantinedCandle:
    """A bad candle, kept aside. `open_time` microseconds UTC, None where it is unreadable."""

    series: Series
    open_time: int | None
    reason: str
    content: str
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a live run stands: after the candle that opens at `open_time`."""

    run_id: UUID
    open_time: int
    state: bytes
    saved_at: datetime
