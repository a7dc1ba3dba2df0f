"""Instants from numbers and from local times, and what is said about them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from stratkernel.contracts.admission_rules import FIRST_PLAUSIBLE, PAST_PLAUSIBLE
from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.source import UNREADABLE_TIME
from stratkernel.kernel.errors import UsageError
from stratkernel.sources.epochs import read_epochs
from stratkernel.sources.numbers import as_array
from stratkernel.sources.zones import localise

DATES_NOTE: Final = "times: bare dates, each the UTC day"
_LARGEST: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class TimeContext:
    """Where times stand, and what is known of them from flags or from the layout."""

    where: str
    line: IntArray
    tz: str | None = None
    layout_tz: str | None = None
    unit: str | None = None


@dataclass(frozen=True, eq=False)
class Times:
    """Microseconds UTC, `UNREADABLE_TIME` where there was none, the texts of those rows, and notes.

    `local` tells that they were date-times without zone, the only ones that `--tz` is for.
    """

    micros: IntArray
    unreadable: dict[int, str]
    notes: tuple[str, ...]
    local: bool = False

    def unused_tz(self, tz: str | None) -> str:
        """A note when a zone was said that these times have no use for."""
        return "" if tz is None or self.local else f"--tz {tz} is not used: these times need no zone"


def from_ticks(ticks: Any, scale: int) -> IntArray:
    """An int64 column of so many microseconds each; nulls become `UNREADABLE_TIME`.

    What exceeds int64 becomes its limit, which no rule of the gate lets through.
    """
    micros: IntArray = as_array(ticks)
    if scale > 1:
        micros = np.where(np.abs(micros) < _LARGEST // scale, micros * scale, np.sign(micros) * _LARGEST)
    if ticks.null_count:
        micros = np.where(as_array(ticks.is_null()), UNREADABLE_TIME, micros)
    return micros


def epoch_times(column: Any, context: TimeContext) -> Times:
    """A column of numbers that count from 1970. Raises as `read_epochs`."""
    import pyarrow as pa
    import pyarrow.types as kinds

    whole = kinds.is_integer(column.type) and column.null_count == 0
    safe = kinds.is_uint64(column.type)
    values = as_array(column.cast(pa.int64() if whole and not safe else pa.float64(), safe=False))
    micros, note = read_epochs(values, context.unit, context.where, context.line)
    return Times(micros, {}, (note,))


def naive_times(micros: IntArray, text: Callable[[int], str], context: TimeContext) -> Times:
    """Local wall-clock times in the zone that was given, or else that the layout documents.

    Raises:
        UsageError: no zone is known, or it does not have these times; names `--tz`.
    """
    # zones are not known for all eternity; what is outside is refused by the gate anyway
    valid = np.flatnonzero((micros > FIRST_PLAUSIBLE) & (micros < PAST_PLAUSIBLE))
    if len(valid) == 0:
        return Times(micros, {}, ())
    zone = context.tz or context.layout_tz
    if zone is None:
        row = int(valid[0])
        raise UsageError(
            f"{context.where}: its times have no zone (line {context.line[row]}: {text(row)}); "
            "say it with --tz, such as --tz UTC or --tz America/New_York"
        )
    utc, note = localise(micros[valid], zone, context.where, context.line[valid])
    result = micros.copy()
    result[valid] = utc
    why = "" if context.tz else ", as this layout has them; --tz overrides"
    return Times(result, {}, tuple(filter(None, (f"times: local to {zone}{why}", note))), local=True)
