"""A storage in plain dicts: what all others are compared with, and what tests of strategies need."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from stratkernel.contracts.retention import CleanReport, RetentionPolicy, RetentionRule
from stratkernel.contracts.storage import Storage, StorageBackend
from stratkernel.contracts.stored import RunRecord, RunStatus
from stratkernel.kernel.errors import UsageError
from stratkernel.testing.memory_candles import MemoryCandles, MemoryCheckpoints
from stratkernel.testing.memory_strategies import MemoryStrategies
from stratkernel.testing.memory_tables import Tables, micros_of


class MemoryStorage(Storage):
    """Keeps everything in this process until it is gone. Small and plain rather than fast."""

    title = "memory"
    concurrent = False

    def __init__(self) -> None:
        self._tables = Tables()
        self._lock = threading.RLock()
        self.strategies = MemoryStrategies(self._tables, self._lock, self.unit_of_work)
        self.candles = MemoryCandles(self._tables, self._lock, self.unit_of_work)
        self.checkpoints = MemoryCheckpoints(self._tables, self._lock, self.unit_of_work)

    @contextmanager
    def unit_of_work(self) -> Iterator[None]:
        with self._lock:  # others wait, so that they see all of it or nothing
            before = self._tables.copied()
            try:
                yield
            except BaseException:
                self._tables.take(before)
                raise

    def clean(
        self, policy: RetentionPolicy, *, now: datetime, dry_run: bool = False, batch: int = 10_000
    ) -> CleanReport:
        if batch < 1:
            raise UsageError(f"batch is {batch}; expected 1 row or more")
        micros_of(now)
        with self.unit_of_work():
            runs = self.strategies.runs()
            reasons: dict[UUID, str] = {}
            for kind, rule in policy.rules.items():
                found = _due([run for run in runs if run.kind == kind], rule, now)
                reasons |= {run_id: f"{kind}: {limit}" for run_id, limit in found.items()}
            signals = sum(run.signal_count for run in runs if run.run_id in reasons)
            if not dry_run:
                self.strategies.delete_runs(list(reasons))
            texts = list(reasons.values())
            return CleanReport(tuple(reasons), signals, {text: texts.count(text) for text in texts})

    def close(self) -> None:
        """Nothing to let go of."""


def _due(runs: list[RunRecord], rule: RetentionRule, now: datetime) -> dict[UUID, str]:
    """Of the runs of one kind, the newest first, those that a rule does not keep, and by which limit."""
    due: dict[UUID, str] = {}
    kept = signals = 0
    for run in runs:
        if run.starred or run.status is RunStatus.RUNNING:
            continue
        kept, signals = kept + 1, signals + run.signal_count
        if rule.max_age is not None and now - run.started_at > rule.max_age:
            due[run.run_id] = "max_age"
        elif rule.max_runs is not None and kept > rule.max_runs:
            due[run.run_id] = "max_runs"
        elif rule.max_signals is not None and signals > rule.max_signals:
            due[run.run_id] = "max_signals"
    return due


class MemoryBackend(StorageBackend):
    """`memory://` is a new storage each time, `memory://NAME` the same one throughout the process."""

    name = "memory"
    schemes: ClassVar[tuple[str, ...]] = ("memory",)
    _named: ClassVar[dict[str, MemoryStorage]] = {}

    @classmethod
    def open(cls, url: str, *, migrate: bool | None = None) -> MemoryStorage:
        del migrate
        scheme, _, name = url.partition("://")
        if scheme != "memory":
            raise UsageError("this is no storage in memory; expected memory:// or memory://NAME")
        return cls._named.setdefault(name, MemoryStorage()) if name else MemoryStorage()
