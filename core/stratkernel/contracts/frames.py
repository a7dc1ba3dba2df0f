"""From a DataFrame to raw candles."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.contracts.source import RawCandles
from stratkernel.contracts.timeframes import Timeframe
from stratkernel.kernel.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

INDEX_NAMES: Final = ("open_time", "timestamp")
_WHERE: Final = "the frame"
_NUMBERS: Final = (int, float, np.integer, np.floating)


def raw_from_frame(
    frame: "pd.DataFrame", *, symbol: str, timeframe: Timeframe, venue: str, omits_empty: bool
) -> RawCandles:
    """Raw candles of a frame; `line` counts its rows from 1.

    Raises:
        UsageError: it is no frame, or its index no aware date-times named `open_time`.
        DataError: columns are missing or stand there twice.
    """
    open_time = _open_times(frame)
    names = list(frame.columns)
    missing = [name for name in CANDLE_COLUMNS if name not in names]
    if missing:
        raise DataError(
            f"{_WHERE} has no column {', '.join(map(repr, missing))}; "
            f"expected {', '.join(CANDLE_COLUMNS)}, got {', '.join(map(str, names)) or 'none'}"
        )
    double = [name for name in CANDLE_COLUMNS if names.count(name) > 1]
    if double:
        raise DataError(f"{_WHERE} has the column {double[0]!r} twice; keep one")
    unreadable: dict[tuple[int, str], str] = {}
    columns = {name: _floats(frame[name], name, unreadable) for name in CANDLE_COLUMNS}
    return RawCandles(
        symbol=symbol,
        timeframe=timeframe,
        open_time=open_time,
        columns=columns,
        line=np.arange(1, len(frame) + 1),
        where=_WHERE,
        unreadable=unreadable,
        omits_empty=omits_empty,
        venue=venue,
    )


def _open_times(frame: "pd.DataFrame") -> IntArray:
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise UsageError(f"expected a pandas DataFrame, got {type(frame).__name__}")
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex):
        raise UsageError(
            f"{_WHERE} needs a DatetimeIndex in UTC named 'open_time', got {type(index).__name__}; "
            "use frame.set_index('open_time')"
        )
    if index.tz is None:
        raise UsageError(
            f"{_WHERE} has an index without a time zone; "
            "use frame.tz_localize('UTC'), or the zone that its times are in"
        )
    if index.name not in INDEX_NAMES:
        raise UsageError(
            f"{_WHERE} has an index named {index.name!r}, expected 'open_time' (candles go by their open); "
            "use frame.rename_axis('open_time') if that is what it holds"
        )
    try:
        return np.array(index.as_unit("us").asi8, dtype=np.int64)
    except (pd.errors.OutOfBoundsDatetime, OverflowError) as error:
        raise DataError(f"{_WHERE} has open times that no calendar holds: {error}") from error


def _floats(series: "pd.Series[Any]", name: str, unreadable: dict[tuple[int, str], str]) -> FloatArray:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(series.dtype) and series.dtype.kind in "iuf":
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    values = np.full(len(series), np.nan)
    for row, value in enumerate(series.tolist()):
        # a bool is an int to Python, but no price
        if isinstance(value, _NUMBERS) and not isinstance(value, bool):
            try:
                values[row] = float(value)
                continue
            except OverflowError:
                pass
        unreadable[row, name] = str(value)
    return values
