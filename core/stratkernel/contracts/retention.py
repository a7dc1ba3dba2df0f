"""Which stored runs are kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """Of the runs of one kind: how old, how many, and how many signals in all; `None` sets no limit.

    The newest runs stay, by when they started.
    """

    max_age: timedelta | None = None
    max_runs: int | None = None
    max_signals: int | None = None


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """A rule for each kind of run; kinds without one are kept for ever."""

    rules: Mapping[str, RetentionRule] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CleanReport:
    """What a policy deleted, or would delete; `reasons` count the runs by rule, as `sweep: max_runs`.

    By `bytes_freed` the database got smaller; `bytes_reusable` are free within it, for later rows: those of
    a file that another program made stay there.
    """

    runs: tuple[UUID, ...] = ()
    signals: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    bytes_freed: int = 0
    bytes_reusable: int = 0
