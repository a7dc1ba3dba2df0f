"""Open times in whatever form a file has them, as microseconds UTC."""

from typing import Any, Final

import numpy as np

from stratkernel.contracts.admission_report import safe_iso
from stratkernel.contracts.source import UNREADABLE_TIME
from stratkernel.kernel.errors import DataError
from stratkernel.sources.instants import (
    DATES_NOTE,
    TimeContext,
    Times,
    epoch_times,
    from_ticks,
    naive_times,
)
from stratkernel.sources.numbers import as_array
from stratkernel.sources.time_texts import read_text_times
from stratkernel.sources.zones import zone_of

_MICROS: Final = {"s": 1_000_000, "ms": 1_000, "us": 1}


def read_times(column: Any, context: TimeContext) -> Times:
    """A pyarrow column of open times.

    Bare dates are that day in UTC. Date-times without zone are read in `context.tz`, or in the zone that
    the layout defines.

    Raises:
        UsageError: the zone of date-times is not known, or `--tz` or `--time-unit` does not fit.
        DataError: no times, or several kinds of them.
    """
    import pyarrow as pa
    import pyarrow.types as kinds

    if context.tz is not None:
        zone_of(context.tz)
    kind = column.type
    if kinds.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if kinds.is_timestamp(kind):
        return _typed(column, kind, context)
    if kinds.is_date(kind):
        days = column.cast(pa.timestamp("s")).cast(pa.int64())
        return Times(from_ticks(days, 1_000_000), {}, (DATES_NOTE,))
    if kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind):
        return epoch_times(column, context)
    if kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind):
        return read_text_times(column.cast(pa.string()), context)
    raise DataError(f"{context.where}: the open times are {kind}; expected dates, date-times, epochs or text")


def _typed(column: Any, kind: Any, context: TimeContext) -> Times:
    import pyarrow as pa

    ticks = column.cast(pa.int64())
    if kind.unit == "ns":
        micros = np.where(as_array(ticks.is_null()), UNREADABLE_TIME, as_array(ticks) // 1000)
    else:
        micros = from_ticks(ticks, _MICROS[kind.unit])
    if kind.tz is not None:
        return Times(micros, {}, (f"times: in {kind.tz}",))
    return naive_times(micros, lambda row: str(safe_iso(int(micros[row]))).rstrip("Z"), context)
