"""Crossings with a dead band: one comparison a row, then a closer look at the few rows that matter.

The rule is a state machine. A row is outside when |a - b| > band; it crosses when it is outside and the
last row outside stood on the other side. Between two changes of the sign of a - b there is at most
one crossing, nearly always where the sign changes.
"""

from typing import Final

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.engine.kernels.dispatch import Kernel

_TILE: Final = 1024
_ROOM: Final = 2 * _TILE
_BYTE: Final = np.uint64(8)
_TOP_BYTE: Final = np.uint64(56)
_ONE: Final = np.uint64(1)
_NONE: Final = np.uint64(0)
_BYTE_NUMBERS: Final = np.uint64(0x0001020304050607)
"""Times a word whose only bit is the lowest of byte k, this has k in its top byte."""


def _crossings_loop(  # noqa: C901, PLR0912 - one scan: numba calls no helper that is not compiled
    a: FloatArray,
    b: FloatArray,
    level: float,
    scale: FloatArray,
    relative: float,
    absolute: float,
    side: int,
) -> tuple[IntArray, int]:
    """Comparisons become bytes, and eight of them at a time are searched for a change of sign."""
    length = len(a)
    paired, scaled = len(b) > 0, len(scale) > 0

    def side_of(row: int, side: int) -> int:
        difference = a[row] - (b[row] if paired else level)
        band = absolute + relative * abs(scale[row]) if scaled else absolute
        return (1 if difference > 0.0 else -1) if abs(difference) > band else side

    start = 0
    while side == 0 and start < length:
        side = side_of(start, side)
        start += 1
    first_side = side
    before = _ONE if side > 0 else _NONE
    tile = np.empty(_TILE, dtype=np.bool_)
    words = tile.view(np.uint64)
    rows = np.empty(_ROOM, dtype=np.int64)
    count = checked = 0
    clear = True
    for base in range(start, length, _TILE):
        width = min(_TILE, length - base)
        if count + width > len(rows):
            more = np.empty(2 * len(rows), dtype=np.int64)
            more[:count] = rows[:count]
            rows = more
        line = a[base : base + width]
        if paired:
            other = b[base : base + width]
            for row in range(width):
                tile[row] = line[row] > other[row]
        else:
            for row in range(width):
                tile[row] = line[row] > level
        used = (width + 7) // 8
        for row in range(width, 8 * used):
            tile[row] = tile[width - 1]
        for number in range(used):
            word = words[number]
            changes = word ^ ((word << _BYTE) | before)
            before = word >> _TOP_BYTE
            while changes != _NONE:
                lowest = changes & (~changes + _ONE)
                rows[count] = base + 8 * number + int((lowest * _BYTE_NUMBERS) >> _TOP_BYTE)
                count += 1
                changes ^= lowest
        for number in range(checked, count):
            row = rows[number]
            distance = abs(a[row] - (b[row] if paired else level))
            clear &= distance > (absolute + relative * abs(scale[row]) if scaled else absolute)
        checked = count
        if not clear:
            break
    if clear:
        return rows[:count].copy(), first_side if count % 2 == 0 else -first_side
    # where the sign changes inside the band, the rows after it decide: ask every one
    rows = np.empty(length, dtype=np.int64)
    count, side = 0, first_side
    for row in range(start, length):
        after = side_of(row, side)
        if after != side:
            rows[count] = row
            count += 1
            side = after
    return rows[:count].copy(), side


def _crossings_arrays(
    a: FloatArray,
    b: FloatArray,
    level: float,
    scale: FloatArray,
    relative: float,
    absolute: float,
    side: int,
) -> tuple[IntArray, int]:
    above = a > b if len(b) else a > level
    first, last = (1 if above[row] else -1 for row in (0, -1))
    changes = np.flatnonzero(above[1:] != above[:-1])
    del above  # its memory is used again below
    changes += 1
    if side != first:
        changes = np.concatenate(([0], changes))
    if len(changes) == 0:
        return changes, side
    distances = a.take(changes)
    distances -= b.take(changes) if len(b) else level
    np.abs(distances, out=distances)
    if len(scale):
        distances -= absolute + relative * np.abs(scale.take(changes))
    if distances.min() > (0.0 if len(scale) else absolute):
        return changes if side else changes[1:], last
    differences = a - (b if len(b) else level)
    band = absolute + relative * np.abs(scale) if len(scale) else absolute
    return _crossings_of_every_row(differences, band, side)


def _crossings_of_every_row(
    differences: FloatArray, band: FloatArray | float, side: int
) -> tuple[IntArray, int]:
    """For signs that change inside the band: the sides of all rows outside, one after the other."""
    outside = np.flatnonzero(np.abs(differences) > band)
    if len(outside) == 0:
        return outside, side
    rising = differences.take(outside) > 0.0
    crossed = rising != np.concatenate(([side > 0], rising[:-1]))
    if side == 0:
        crossed[0] = False
    return outside[crossed], 1 if rising[-1] else -1


find_crossings = Kernel(loop=_crossings_loop, arrays=_crossings_arrays)
"""(a, b, level, scale, relative, absolute, side) -> (rows, side); at least one row.

`b` of no rows stands for the constant `level`, `scale` of no rows for a band of `absolute` everywhere,
otherwise it is absolute + relative * |scale|. Directions alternate, and the last one is the side.
"""
