"""Time zones: what a name means, and local times as instants."""

import re
from datetime import timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np

from stratkernel.contracts.arrays import IntArray
from stratkernel.kernel.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

_OFFSET: Final = re.compile(r"(?:UTC|GMT)?([+-])([01]\d):?([0-5]\d)")


def zone_of(name: str) -> tzinfo:
    """A zone by its IANA name (`America/New_York`), `UTC`, or a fixed offset (`+02:00`).

    Raises:
        UsageError: no such zone.
    """
    offset = _OFFSET.fullmatch(name.strip())
    if offset:
        size = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-size if offset[1] == "-" else size)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(
            f"unknown time zone --tz {name!r}; expected UTC, a name such as America/New_York, "
            "or an offset such as +02:00"
        ) from error


def localise(local: IntArray, zone_name: str, where: str, line: IntArray) -> tuple[IntArray, str]:
    """Local wall-clock microseconds as UTC ones, and a note when an hour that clocks repeat was resolved.

    A repeated hour is resolved by the order of the rows, where both passes are there.

    Raises:
        UsageError: no such zone, or times that it does not have or has twice; names `--tz`.
    """
    zone = zone_of(zone_name)
    if zone_name.upper() == "UTC" or len(local) == 0:
        return local, ""
    import pandas as pd

    index = pd.DatetimeIndex(local.astype("datetime64[us]"))
    utc = index.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    odd = np.flatnonzero(utc.isna())
    note = ""
    if len(odd):
        first_pass = np.ones(len(odd), dtype=np.bool_)
        absent = odd[index[odd].tz_localize(zone, ambiguous=first_pass, nonexistent="NaT").isna()]
        if len(absent):
            row = int(absent[0])
            raise UsageError(
                f"{where}: line {line[row]}: {index[row]} does not exist in {zone_name}, "
                "where clocks skip it; name the zone of the file with --tz"
            )
        utc = _by_order(index, zone, zone_name, where, int(line[odd[0]]), str(index[odd[0]]))
        note = f"the hour that clocks repeat in {zone_name} was told apart by the order of the rows"
    return np.asarray(utc.as_unit("us").asi8, dtype=np.int64), note


def _by_order(
    index: "pd.DatetimeIndex", zone: tzinfo, zone_name: str, where: str, line: int, time: str
) -> "pd.DatetimeIndex":
    newest_first = len(index) > 1 and index[0] > index[-1]
    try:
        found = (index[::-1] if newest_first else index).tz_localize(zone, ambiguous="infer")
    except ValueError as error:
        raise UsageError(
            f"{where}: line {line}: {time} happens twice in {zone_name}, "
            "and the rows do not tell which is meant; "
            "export the file in UTC, or say a fixed offset with --tz (such as --tz +02:00)"
        ) from error
    return found[::-1] if newest_first else found
