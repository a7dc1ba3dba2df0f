"""Crossings with a dead band: one comparison a row, then a closer look at the few rows that matter.

The rule is a state machine. A row is outside when |a - b| > band; it crosses when it is outside and the
last row outside stood on the other side. Where every change of the sign of a - b lands outside, the
changes are the crossings; only where one lands inside does every row have to be asked.

All kernels take (a, b, level, scale, relative, absolute, side) and at least one row. `b` of no rows stands
for the constant `level`; the band is absolute + relative * |scale|, `absolute` where `scale` has no rows.
"""

from typing import Final

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.engine.kernels.dispatch import NumericKernel

_TILE: Final = 4096
_BYTE: Final = np.uint64(8)
_TOP_BYTE: Final = np.uint64(56)
_ONE: Final = np.uint64(1)
_NONE: Final = np.uint64(0)
_BYTE_NUMBERS: Final = np.uint64(0x0001020304050607)
"""Times a word whose only bit is the lowest of byte k, this has k in its top byte."""


def find_crossings(
    a: FloatArray,
    b: FloatArray,
    level: float,
    scale: FloatArray,
    relative: float,
    absolute: float,
    side: int,
) -> tuple[IntArray, int]:
    """Rows that cross, and the side after the last row; directions alternate, the last is the side."""
    rows, after, clear = changes_of_sign(a, b, level, scale, relative, absolute, side)
    if clear:
        return rows, after
    return crossings_of_every_row(a, b, level, scale, relative, absolute, side)


def _changes_loop(  # noqa: C901, PLR0912 - one scan: numba calls no helper that is not compiled
    a: FloatArray,
    b: FloatArray,
    level: float,
    scale: FloatArray,
    relative: float,
    absolute: float,
    side: int,
) -> tuple[IntArray, int, bool]:
    """Comparisons become bytes, and eight of them at a time are searched for a change."""
    length = len(a)
    paired, scaled = len(b) > 0, len(scale) > 0
    start = 0
    while side == 0 and start < length:
        difference = a[start] - (b[start] if paired else level)
        if abs(difference) > (absolute + relative * abs(scale[start]) if scaled else absolute):
            side = 1 if difference > 0.0 else -1
        start += 1
    before = _ONE if side > 0 else _NONE
    tile = np.empty(_TILE, dtype=np.bool_)
    words = tile.view(np.uint64)
    levels = np.full(_TILE, level)
    rows = np.empty(2 * _TILE, dtype=np.int64)
    count = 0
    for base in range(start, length, _TILE):
        width = min(_TILE, length - base)
        if count + width > len(rows):
            more = np.empty(2 * len(rows), dtype=np.int64)
            more[:count] = rows[:count]
            rows = more
        line = a[base : base + width]
        other = b[base : base + width] if paired else levels
        for row in range(width):
            tile[row] = line[row] > other[row]
        used = (width + 7) // 8
        for row in range(width, 8 * used):
            tile[row] = tile[width - 1]
        checked = count
        for number in range(used):
            word = words[number]
            changes = word ^ ((word << _BYTE) | before)
            before = word >> _TOP_BYTE
            while changes != _NONE:
                lowest = changes & (~changes + _ONE)
                rows[count] = base + 8 * number + int((lowest * _BYTE_NUMBERS) >> _TOP_BYTE)
                count += 1
                changes ^= lowest
        clear = True
        if scaled:
            unit = scale[base : base + width]
            for number in range(checked, count):
                row = rows[number] - base
                clear &= abs(line[row] - other[row]) > absolute + relative * abs(unit[row])
        else:
            for number in range(checked, count):
                row = rows[number] - base
                clear &= abs(line[row] - other[row]) > absolute
        if not clear:
            return rows[:0], side, False
    return rows[:count].copy(), side if count % 2 == 0 else -side, True


def _changes_arrays(
    a: FloatArray,
    b: FloatArray,
    level: float,
    scale: FloatArray,
    relative: float,
    absolute: float,
    side: int,
) -> tuple[IntArray, int, bool]:
    above = np.empty(len(a) + 1, dtype=np.bool_)  # begins with the side before the first row
    np.greater(a, b if len(b) else level, out=above[1:])
    above[0] = side > 0 if side else not above[1]
    rows = (above[1:] != above[:-1]).nonzero()[0]
    last = 1 if above[-1] else -1
    del above  # what follows fits into its memory
    if len(rows) == 0:
        return rows, side, True
    if not len(scale) and absolute == 0.0:  # only a fall can land inside of such a band: on equality
        falls = rows[-1 if last < 0 else -2 :: -2]
        clear = bool((a.take(falls) < (b.take(falls) if len(b) else level)).all())
        return rows if side else rows[1:], last, clear
    distances = a.take(rows)
    distances -= b.take(rows) if len(b) else level
    np.abs(distances, out=distances)
    if len(scale):
        distances -= absolute + relative * np.abs(scale.take(rows))
    clear = bool(distances.min() > (0.0 if len(scale) else absolute))
    return rows if side else rows[1:], last, clear


def _every_row_loop(
    a: FloatArray,
    b: FloatArray,
    level: float,
    scale: FloatArray,
    relative: float,
    absolute: float,
    side: int,
) -> tuple[IntArray, int]:
    rows = np.empty(len(a), dtype=np.int64)
    count = 0
    for row in range(len(a)):
        difference = a[row] - (b[row] if len(b) else level)
        if abs(difference) > (absolute + relative * abs(scale[row]) if len(scale) else absolute):
            after = 1 if difference > 0.0 else -1
            if after == -side:
                rows[count] = row
                count += 1
            side = after
    return rows[:count].copy(), side


def _every_row_arrays(
    a: FloatArray,
    b: FloatArray,
    level: float,
    scale: FloatArray,
    relative: float,
    absolute: float,
    side: int,
) -> tuple[IntArray, int]:
    differences = a - (b if len(b) else level)
    outside = np.flatnonzero(
        np.abs(differences) > (absolute + relative * np.abs(scale) if len(scale) else absolute)
    )
    if len(outside) == 0:
        return outside, side
    rising = differences.take(outside) > 0.0
    crossed = rising != np.concatenate(([side > 0], rising[:-1]))
    if side == 0:
        crossed[0] = False
    return outside[crossed], 1 if rising[-1] else -1


changes_of_sign = NumericKernel(loop=_changes_loop, arrays=_changes_arrays)
"""-> rows, side, and whether they are the crossings (if not, rows and side mean nothing)."""

crossings_of_every_row = NumericKernel(loop=_every_row_loop, arrays=_every_row_arrays)
"""-> rows that cross, and the side after the last row."""
