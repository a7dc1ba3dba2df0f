"""Crossings of two lines for a sweep: the rule of `crossing.changes_of_sign` in memory that is used again."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import BoolArray, FloatArray, IntArray, read_only
from stratkernel.engine.kernels.crossing import changes_of_sign, crossings_of_every_row
from stratkernel.engine.kernels.dispatch import NumericKernel

_TILE: Final = 4096
_BYTE: Final = np.uint64(8)
_TOP_BYTE: Final = np.uint64(56)
_ONE: Final = np.uint64(1)
_NONE: Final = np.uint64(0)
_BYTE_NUMBERS: Final = np.uint64(0x0001020304050607)
"""Times a word whose only bit is the lowest of byte k, this has k in its top byte."""

_UNCLEAR: Final = -2
PAIRS: Final = 32
"""Pairs that share one call at most."""
_MOST_ROWS: Final = 1 << 22


class Pair(NamedTuple):
    """Two lines and the closes of which `relative` is a share; only the last `length` rows are looked at.

    `length` is 1 or more; the arrays are read-only and may be longer than that, each by another number.
    """

    a: FloatArray
    b: FloatArray
    scale: FloatArray
    length: int
    relative: float


class CrossingScratch(NamedTuple):
    """Memory of one thread: rows of all pairs, a tile of comparisons and the same as words, and results."""

    rows: IntArray
    tile: BoolArray
    words: npt.NDArray[np.uint64]
    lengths: IntArray
    relatives: FloatArray
    counts: IntArray

    @classmethod
    def of(cls, length: int, pairs: int) -> "CrossingScratch":
        """For so many pairs at a time over so many rows; memory that no crossing needs is never touched."""
        tile = np.zeros(_TILE, dtype=np.bool_)
        return cls(
            np.empty(length * pairs, dtype=np.int64),
            tile,
            tile.view(np.uint64),
            np.zeros(PAIRS, dtype=np.int64),
            np.zeros(PAIRS),
            np.zeros(PAIRS, dtype=np.int64),
        )


def at_once(length: int) -> int:
    """How many pairs over so many rows share one call."""
    return max(1, min(PAIRS, _MOST_ROWS // max(length, 1)))


def _scan_loop(  # noqa: C901, PLR0912 - one scan: numba calls no helper that is not compiled
    ones: tuple[FloatArray, ...],
    others: tuple[FloatArray, ...],
    scales: tuple[FloatArray, ...],
    pairs: int,
    scratch: CrossingScratch,
) -> None:
    rows, tile, words = scratch.rows, scratch.tile, scratch.words
    count = 0
    for pair in range(pairs):
        length, relative = scratch.lengths[pair], scratch.relatives[pair]
        a, b, scale = ones[pair], others[pair], scales[pair]
        a, b, scale = a[len(a) - length :], b[len(b) - length :], scale[len(scale) - length :]
        start, side, first = 0, 0, count
        while side == 0 and start < length:
            difference = a[start] - b[start]
            if abs(difference) > relative * abs(scale[start]):
                side = 1 if difference > 0.0 else -1
            start += 1
        before = _ONE if side > 0 else _NONE
        clear = True
        for base in range(start, length, _TILE):
            width = min(_TILE, length - base)
            line, other = a[base : base + width], b[base : base + width]
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
            for number in range(checked, count):
                row = rows[number]
                if not abs(a[row] - b[row]) > relative * abs(scale[row]):
                    clear = False
                    break
            if not clear:
                break
        if not clear:
            count = first
            scratch.counts[pair] = _UNCLEAR
        else:
            found = count - first
            scratch.counts[pair] = 2 * found + (1 if (side > 0) == (found % 2 == 0) else 0)


def _scan_arrays(
    ones: tuple[FloatArray, ...],
    others: tuple[FloatArray, ...],
    scales: tuple[FloatArray, ...],
    pairs: int,
    scratch: CrossingScratch,
) -> None:
    """Rows at which each of `ones` crosses its other, one pair behind the other in `scratch.rows`.

    `scratch.counts` says 2 * their number + (ends above) of each pair, negative where the sign changes
    inside of the dead band: then every row has to be asked.
    """
    at = 0
    for pair in range(pairs):
        last = slice(-int(scratch.lengths[pair]), None)
        rows, side, clear = changes_of_sign.arrays(
            ones[pair][last], others[pair][last], 0.0, scales[pair][last], scratch.relatives[pair], 0.0, 0
        )
        scratch.counts[pair] = 2 * len(rows) + (1 if side > 0 else 0) if clear else _UNCLEAR
        if clear:
            scratch.rows[at : at + len(rows)] = rows
            at += len(rows)


scan_crossings: Final = NumericKernel(loop=_scan_loop, arrays=_scan_arrays)


def crossings_of_pairs(pairs: Sequence[Pair], scratch: CrossingScratch) -> Iterator[tuple[IntArray, int]]:
    """For each pair the rows of the last `length` at which `a` crosses `b`, and the side after the last.

    At most `PAIRS` of them. The side says nothing where there is no row. Rows are read-only.
    """
    ones, others, scales, lengths, relatives = zip(*pairs, strict=True)
    count, missing = len(pairs), PAIRS - len(pairs)
    scratch.lengths[:count], scratch.relatives[:count] = lengths, relatives
    # a tuple of one length, so that numba compiles the kernel once
    scan_crossings(
        ones + ones[:1] * missing,
        others + others[:1] * missing,
        scales + scales[:1] * missing,
        count,
        scratch,
    )
    counts = scratch.counts[:count].tolist()
    found = read_only(scratch.rows[: sum(each >> 1 for each in counts if each > 0)].copy())
    at = 0
    for pair, each in zip(pairs, counts, strict=True):
        if each >= 0:
            yield found[at : at + (each >> 1)], 1 if each & 1 else -1
            at += each >> 1
        else:
            last = slice(-pair.length, None)
            rows, side = crossings_of_every_row(
                pair.a[last], pair.b[last], 0.0, pair.scale[last], pair.relative, 0.0, 0
            )
            yield read_only(rows), side
