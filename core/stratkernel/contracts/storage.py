"""Where runs, signals and candles are kept: what the engine and the screen know of a database."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Self
from uuid import UUID

from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.retention import CleanReport, RetentionPolicy
from stratkernel.contracts.signals import SignalTable
from stratkernel.contracts.stored import (
    CandleWrite,
    Checkpoint,
    Coverage,
    QuarantinedCandle,
    RunQuery,
    RunRecord,
    Series,
    SignalGroup,
    SignalQuery,
    SignalStatistics,
    SignalStatus,
    SignalWrite,
    StoredSeries,
    StoredSignals,
    WinRule,
)
from stratkernel.kernel.errors import StorageError, UsageError


class StorageBackend(ABC):
    """A kind of database, chosen by the scheme of a URL."""

    name: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]]

    @classmethod
    @abstractmethod
    def open(cls, url: str, *, migrate: bool | None = None) -> "Storage":
        """Connect to the database of a URL.

        `migrate` says whether tables are made and brought up to date; `None` leaves it to the back-end
        (an embedded database is, a server that already has tables is not).

        Raises:
            UsageError: the URL is no such database, or its driver is not installed.
            SchemaError: the tables are older (and not migrated) or newer than this version.
            StorageError: it cannot be reached, read or written.
        """

    @classmethod
    def migrations(cls, url: str) -> "Migrations | None":
        """What upgrades the tables of a URL; `None` where there is nothing to upgrade."""
        del url
        return None


class Storage(ABC):
    """An open database. Safe to use from several threads; each write is atomic and can be repeated."""

    title: str
    """Names it in messages, without passwords."""
    concurrent: ClassVar[bool] = True
    """Whether other processes may have it open too."""

    strategies: "StrategyStorage"
    candles: "CandleStorage"
    checkpoints: "CheckpointStorage"

    @abstractmethod
    def unit_of_work(self) -> AbstractContextManager[None]:
        """Within, all writes of this thread commit together, or none does.

        One inside another joins the outer one; when it fails, it is undone alone.
        """

    @abstractmethod
    def clean(
        self, policy: RetentionPolicy, *, now: datetime, dry_run: bool = False, batch: int = 10_000
    ) -> CleanReport:
        """Delete the runs that a policy does not keep, `batch` rows a transaction.

        What was deleted before an interruption stays deleted; calling again goes on. Starred and running
        runs always stay. `dry_run` only tells.
        """

    def reclaim(self) -> int:
        """Give the space of what was deleted back; gives how many bytes the database got smaller by.

        While others hold the database that waits for the next time. `clean` does it too.
        """
        return 0

    @abstractmethod
    def close(self) -> None:
        """Let go of all connections; may be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class StrategyStorage(ABC):
    """Runs and their signals."""

    @abstractmethod
    def save_run(self, run: RunRecord, signals: SignalTable | None = None) -> SignalWrite:
        """Store a run, or what is new of it, and its signals, in one transaction.

        A run that is stored already gets status, times, metrics, quality and error of this one; its star
        stays. Saving the same again writes nothing.
        """

    @abstractmethod
    def add_signals(
        self, run_id: UUID, signals: SignalTable, status: SignalStatus = SignalStatus.FRESH
    ) -> SignalWrite:
        """Add signals to a stored run; those that are there are unchanged, differing ones new revisions.

        Raises:
            UnknownNameError: there is no such run.
        """

    def restore_run(self, run: RunRecord, signals: StoredSignals) -> SignalWrite:
        """Store a run and its signals as another storage gave them, in one transaction.

        Star, status and all revisions are those that are given (`SignalQuery(current=False,
        with_metadata=True)` of one run); rows that are there already stay as they are. `StorageError` where
        a back-end cannot do that.
        """
        del signals
        raise StorageError(f"this storage cannot take over runs of another one, as {run.run_id}")

    @abstractmethod
    def retract_signals(self, run_id: UUID, signals: SignalTable) -> int:
        """Record that published signals no longer hold, as new revisions; gives how many were current."""

    @abstractmethod
    def run(self, run_id: UUID) -> RunRecord:
        """One run. Raises `UnknownNameError`."""

    @abstractmethod
    def find_run(self, text: str) -> RunRecord:
        """The run of an id or of its unambiguous beginning (4 letters or more).

        Raises:
            UnknownNameError, AmbiguousNameError: no run begins so, or several do.
        """

    @abstractmethod
    def runs(self, query: RunQuery | None = None) -> list[RunRecord]:
        """Runs, the newest first."""

    @abstractmethod
    def star(self, run_id: UUID, starred: bool = True) -> None:
        """Keep a run whatever the retention policy says, or no longer. Raises `UnknownNameError`."""

    @abstractmethod
    def delete_runs(self, run_ids: Sequence[UUID]) -> int:
        """Delete runs and their signals; gives how many there were."""

    @abstractmethod
    def signals(self, query: SignalQuery | None = None) -> StoredSignals:
        """Signals by time, then run and type, exits before entries."""

    @abstractmethod
    def statistics(
        self, by: Sequence[SignalGroup], query: SignalQuery | None = None, win_rule: WinRule | None = None
    ) -> list[SignalStatistics]:
        """Counts, mean confidence, first, last and win rate of signals, grouped."""


class CandleStorage(ABC):
    """Candles by venue, symbol and timeframe."""

    @abstractmethod
    def series(
        self, *, symbol: str | None = None, timeframe: str | None = None, venue: str | None = None
    ) -> list[StoredSeries]:
        """What is stored, by symbol, timeframe and venue."""

    @abstractmethod
    def write(self, candles: Candles, *, overwrite: bool = False) -> CandleWrite:
        """Store candles; those that are there already, bit for bit, are left alone.

        Raises:
            CandleConflictError: stored candles differ, and `overwrite` was not said; nothing is written.

        The first candles of a series give it their calendar and `omits_empty`, the calendar as one that was
        inferred; later ones do so only with `overwrite`. `describe` changes both at any time.
        """

    @abstractmethod
    def describe(
        self, series: Series, *, calendar: Calendar, calendar_given: bool, omits_empty: bool
    ) -> None:
        """Say when candles of a stored series are expected; see `StoredSeries`.

        Raises:
            UnknownNameError: no such series; says which there are.
        """

    @abstractmethod
    def read(self, series: Series, start: int | None = None, end: int | None = None) -> Candles:
        """Candles that open from `start` (inclusive) to `end` (exclusive), microseconds UTC.

        Raises:
            UnknownNameError: no such series; says which there are.
        """

    @abstractmethod
    def chunks(
        self, series: Series, start: int | None = None, end: int | None = None, *, rows: int = 262_144
    ) -> Iterator[Candles]:
        """As `read`, in parts of `rows` candles, without ever holding more than one part."""

    @abstractmethod
    def coverage(self, series: Series) -> Coverage:
        """What is there and which gaps its calendar sees."""

    @abstractmethod
    def delete(self, series: Series) -> int:
        """Delete a series and its quarantined candles; gives how many candles there were."""

    @abstractmethod
    def quarantine(self, candles: Sequence[QuarantinedCandle]) -> int:
        """Keep bad candles aside, with why; gives how many were new."""

    @abstractmethod
    def quarantined(self, series: Series | None = None) -> list[QuarantinedCandle]:
        """The candles that were put aside, by series and time."""


class CheckpointStorage(ABC):
    """Where live runs stand, so that a restart goes on from there."""

    @abstractmethod
    def save(self, checkpoint: Checkpoint) -> None:
        """Store where a run stands, in place of what was stored for it at this candle."""

    @abstractmethod
    def load(self, run_id: UUID, before: int | None = None) -> Checkpoint | None:
        """The newest checkpoint of a run, or the newest at or before an open time."""

    @abstractmethod
    def prune(self, run_id: UUID, keep_from: int) -> int:
        """Drop checkpoints before an open time, but the newest; gives how many."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of a database that was made before something was changed."""

    path: Path
    size: int


class Migrations(ABC):
    """Brings the tables of a database up to date, and says whether they are."""

    backed_up: Backup | None = None
    """The copy that the last upgrade or downgrade made before it changed anything."""
    has_partitions: bool = False
    """Whether signals can be kept in partitions."""

    @abstractmethod
    def current(self) -> str | None:
        """The revision of the tables; `None` where there are none yet."""

    @property
    @abstractmethod
    def head(self) -> str:
        """The revision that this version works with."""

    def knows(self, revision: str) -> bool:
        """Whether this version can work with tables of a revision, or upgrade them; else they are newer."""
        del revision
        return True

    @abstractmethod
    def upgrade(self, revision: str = "head") -> list[str]:
        """Apply what is missing up to a revision; gives the revisions that were applied.

        Raises:
            SchemaError: the tables are newer than this version.
        """

    @abstractmethod
    def downgrade(self, revision: str) -> list[str]:
        """Go back to a revision (`base` is before the first); gives the revisions that were undone."""

    def partition_signals(self, wanted: bool = True) -> bool:
        """Keep signals in partitions, one a month, or in one table; gives whether that was changed.

        Raises:
            UsageError: the database knows no partitions, or its tables are not up to date.
        """
        del wanted
        raise UsageError("signals cannot be kept in partitions here; PostgreSQL can")

    @abstractmethod
    def check(self) -> list[str]:
        """What differs from what the tables should be, in sentences; orphaned rows too."""

    @abstractmethod
    def backup(self, target: Path) -> Backup:
        """Copy the database, also while it is written to. Raises `UsageError` where it cannot."""
