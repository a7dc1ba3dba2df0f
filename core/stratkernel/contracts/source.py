"""Where candles come from."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.timeframes import Timeframe
from stratkernel.kernel.errors import UsageError

UNREADABLE_TIME = np.iinfo(np.int64).min
"""Stands in `RawCandles.open_time` where a time could not be read."""


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """Which candles are wanted, and what the user says of them; `None` is left to the source.

    `options` are the flags of the source itself, by the names that it documents.
    """

    location: str
    symbol: str | None = None
    timeframe: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class RawCandles:
    """Candles as a source read them, before the admission gate.

    `open_time` int64 microseconds UTC, `columns` the five float64 columns, NaN where unreadable,
    `line` where each row stands in the source (for reports), `unreadable` the texts that were no
    numbers or times by (row, column), `notes` what was inferred, one sentence each.
    """

    symbol: str
    timeframe: Timeframe
    open_time: IntArray
    columns: Mapping[str, FloatArray]
    line: IntArray
    where: str
    unreadable: Mapping[tuple[int, str], str] = field(default_factory=dict)
    calendar: Calendar | None = None
    omits_empty: bool = False
    venue: str = "local"
    notes: tuple[str, ...] = ()


class RawChunks(ABC):
    """A series as a source reads it part by part: every iteration reads it anew, in the order of its rows.

    `line`s count through the whole series. `rows` is how many rows there are, where that is known.
    """

    symbol: str
    timeframe: Timeframe
    where: str
    calendar: Calendar | None = None
    omits_empty: bool = False
    venue: str = "local"
    rows: int | None = None

    @abstractmethod
    def __iter__(self) -> Iterator[RawCandles]:
        """The parts, each with at least one row. Raises as `DataSource.load`."""

    def open_times(self) -> Iterator[IntArray]:
        """The open times of the parts; a source that can reads nothing else."""
        for part in self:
            yield part.open_time

    @property
    def notes(self) -> tuple[str, ...]:
        """What was inferred, one sentence each; complete once all parts were read."""
        return ()


class DataSource(ABC):
    """Reads candles of one symbol; chosen by URL scheme or file suffix (with its dot)."""

    name: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def load(self, request: SourceRequest) -> RawCandles:
        """Read all candles of a request.

        Raises:
            UsageError: something must be said that cannot be inferred; names the flag.
            DataError: the source cannot be read.
        """

    def chunks(self, request: SourceRequest, rows: int) -> RawChunks:  # noqa: ARG002 - for sources that can
        """The candles of a request in parts of at most `rows` rows, for series larger than memory; optional.

        Raises:
            UsageError: this source does not read in parts, or as `load`.
            DataError: as `load`.
        """
        raise UsageError(
            f"the source {self.name} reads {request.location} as a whole only; leave out --stream"
        )
