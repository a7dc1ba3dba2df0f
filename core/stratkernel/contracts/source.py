"""Where candles come from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.timeframes import Timeframe

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
