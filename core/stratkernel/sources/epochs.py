"""Epochs: numbers that count from 1970, in seconds, milli-, micro- or nanoseconds."""

from typing import Final

import numpy as np

from stratkernel.contracts.admission_report import safe_iso
from stratkernel.contracts.admission_rules import FIRST_PLAUSIBLE, PAST_PLAUSIBLE
from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.source import UNREADABLE_TIME
from stratkernel.kernel.errors import DataError, UsageError

UNITS: Final = ("s", "ms", "us", "ns")
_NAMES: Final = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_MICROS: Final = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_STARTS: Final = np.array([FIRST_PLAUSIBLE / _MICROS[unit] for unit in UNITS])
"""The epoch of 1971 in each unit. Up to the year 2262 no number is a plausible epoch in two units."""


def read_epochs(
    values: "FloatArray | IntArray", unit: str | None, where: str, line: IntArray
) -> tuple[IntArray, str]:
    """Microseconds UTC, shape (n,), and a note on the unit; NaN becomes `UNREADABLE_TIME`.

    Without a unit each number is read in the only one that puts it between 1971 and 2261; vendors have
    changed units inside one series.

    Raises:
        UsageError: unknown unit.
        DataError: most of the numbers are no plausible epochs.
    """
    if unit is not None and unit not in UNITS:
        raise UsageError(f"unknown --time-unit {unit!r}; expected one of {', '.join(UNITS)}")
    usable = np.isfinite(values)
    nearest = np.searchsorted(_STARTS, values, side="right") - 1
    if unit is None:
        dominant = int(np.bincount(np.maximum(nearest[usable], 0), minlength=1).argmax())
        index = np.where(nearest < 0, dominant, nearest)
    else:
        index = np.full(len(values), UNITS.index(unit))
    micros = np.full(len(values), UNREADABLE_TIME, dtype=np.int64)
    for i in np.unique(index[usable]).tolist():
        rows = usable & (index == i)
        micros[rows] = _to_micros(values[rows], UNITS[i])
    _refuse_implausible(micros, values, index, usable, (unit is not None, where, line))
    used = [UNITS[i] for i in np.unique(index[usable & (nearest >= 0)]).tolist()]
    what = " and ".join(_NAMES[name] for name in used) or "unknown"
    mixed = " (each number read in the unit that gives it a plausible year)" if len(used) > 1 else ""
    return micros, f"times: epoch {what}{mixed}, UTC"


def _to_micros(values: "FloatArray | IntArray", unit: str) -> IntArray:
    """Whole numbers exactly; what exceeds int64 becomes its limit, which no rule lets through."""
    limit = np.iinfo(np.int64).max
    with np.errstate(over="ignore"):
        approximate = values.astype(np.float64) * _MICROS[unit]
    inside = np.abs(approximate) < limit * 0.99
    micros = np.where(approximate > 0, limit, -limit).astype(np.int64)
    if values.dtype.kind == "f":
        micros[inside] = np.rint(approximate[inside]).astype(np.int64)
    elif unit == "ns":
        micros[inside] = values[inside] // 1000
    else:
        micros[inside] = values[inside] * int(_MICROS[unit])
    return micros


def _refuse_implausible(
    micros: IntArray,
    values: "FloatArray | IntArray",
    index: IntArray,
    usable: np.ndarray,
    context: tuple[bool, str, IntArray],
) -> None:
    given, where, line = context
    odd = usable & ((micros < FIRST_PLAUSIBLE) | (micros >= PAST_PLAUSIBLE))
    if np.count_nonzero(odd) * 2 <= np.count_nonzero(usable):
        return
    row = int(np.flatnonzero(odd)[0])
    value = values[row]
    nearest = int(np.searchsorted(_STARTS, value, side="right")) - 1
    unit = UNITS[index[row]]
    text = f"{where}: line {line[row]}: {value:.16g} as epoch {_NAMES[unit]} is "
    text += safe_iso(int(micros[row])) or "a year that no calendar has"
    if given and nearest >= 0 and UNITS[nearest] != unit:
        better = int(_to_micros(values[row : row + 1], UNITS[nearest])[0])
        text += (
            f"; as {_NAMES[UNITS[nearest]]} it would be {safe_iso(better)}: use --time-unit {UNITS[nearest]}"
        )
    else:
        text += "; expected ISO 8601 or an epoch between 1971 and 2261 in s, ms, us or ns"
    raise DataError(text)
