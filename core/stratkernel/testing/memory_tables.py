"""The dicts behind the storage in memory."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.signals import SignalType
from stratkernel.contracts.stored import Checkpoint, QuarantinedCandle, RunRecord, Series, SignalStatus
from stratkernel.kernel.errors import UsageError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Revision:
    """One version of a signal."""

    price: float
    confidence: float
    flags: int
    status: SignalStatus
    metadata: dict[str, Any]


SignalKey: TypeAlias = tuple[int, SignalType]
"""Timestamp (microseconds UTC) and type: with its run, all that tells a signal from others."""
UnitOfWork: TypeAlias = Callable[[], AbstractContextManager[None]]
SeriesFacts: TypeAlias = tuple[Calendar, bool, bool]
"""The calendar of a series, whether it leaves out empty candles, whether somebody said the calendar."""
Candle: TypeAlias = tuple[float, float, float, float, float]


@dataclass
class Tables:
    """All that is stored; what is in the innermost collections is never changed, only replaced."""

    runs: dict[UUID, RunRecord] = field(default_factory=dict)
    signals: dict[UUID, dict[SignalKey, tuple[Revision, ...]]] = field(default_factory=dict)
    calendars: dict[Series, SeriesFacts] = field(default_factory=dict)
    candles: dict[Series, dict[int, tuple[Candle, bool]]] = field(default_factory=dict)
    quarantine: list[QuarantinedCandle] = field(default_factory=list)
    checkpoints: dict[UUID, dict[int, Checkpoint]] = field(default_factory=dict)

    def copied(self) -> "Tables":
        """The same rows in collections of their own."""
        return Tables(
            dict(self.runs),
            {run: dict(rows) for run, rows in self.signals.items()},
            dict(self.calendars),
            {series: dict(rows) for series, rows in self.candles.items()},
            list(self.quarantine),
            {run: dict(rows) for run, rows in self.checkpoints.items()},
        )

    def take(self, other: "Tables") -> None:
        """Become what another one is."""
        self.__dict__.update(other.__dict__)


def micros_of(moment: datetime) -> int:
    """Microseconds UTC of an aware moment. Raises `UsageError` for a naive one."""
    if moment.tzinfo is None:
        raise UsageError(f"{moment} has no time zone; expected an aware datetime, as {moment}+00:00")
    return (moment - _EPOCH) // timedelta(microseconds=1)
