"""Sums of many stretches of one array, each with the bits that numpy gives when it sums the stretch alone."""

from typing import Final

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.engine.kernels.dispatch import NumericKernel

_LEAF: Final = 128
_LANES: Final = 8
_DEEPEST: Final = 64


def _sums_loop(values: FloatArray, starts: IntArray, counts: IntArray, out: FloatArray) -> None:
    """numpy's pairwise summation: halves of a multiple of 8, down to at most 128 values in 8 lanes."""
    begin = np.empty(_DEEPEST, dtype=np.int64)
    length = np.empty(_DEEPEST, dtype=np.int64)
    left = np.empty(_DEEPEST)
    is_right = np.empty(_DEEPEST, dtype=np.bool_)
    for number in range(len(starts)):
        depth = 0
        begin[0], length[0], is_right[0] = starts[number], counts[number], False
        while True:
            while length[depth] > _LEAF:
                half = length[depth] // 2
                half -= half % _LANES
                begin[depth + 1], length[depth + 1], is_right[depth + 1] = begin[depth], half, False
                depth += 1
            first, size = begin[depth], length[depth]
            if size < _LANES:
                total = 0.0
                for i in range(first, first + size):
                    total += values[i]
            else:
                r0, r1, r2, r3 = values[first], values[first + 1], values[first + 2], values[first + 3]
                r4, r5, r6, r7 = values[first + 4], values[first + 5], values[first + 6], values[first + 7]
                whole = size - size % _LANES
                for i in range(first + _LANES, first + whole, _LANES):
                    r0 += values[i]
                    r1 += values[i + 1]
                    r2 += values[i + 2]
                    r3 += values[i + 3]
                    r4 += values[i + 4]
                    r5 += values[i + 5]
                    r6 += values[i + 6]
                    r7 += values[i + 7]
                total = ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7))
                for i in range(first + whole, first + size):
                    total += values[i]
            while depth > 0 and is_right[depth]:
                depth -= 1
                total = left[depth] + total
            if depth == 0:
                out[number] = total
                break
            parent = depth - 1
            left[parent] = total
            done = length[depth]
            begin[depth], length[depth] = begin[parent] + done, length[parent] - done
            is_right[depth] = True


def _sums_arrays(values: FloatArray, starts: IntArray, counts: IntArray, out: FloatArray) -> None:
    """The sum of `counts[i]` values from `starts[i]` on, into `out[i]`; 0 for none."""
    for number, (start, count) in enumerate(zip(starts.tolist(), counts.tolist(), strict=True)):
        out[number] = np.add.reduce(values[start : start + count])


sum_stretches: Final = NumericKernel(loop=_sums_loop, arrays=_sums_arrays)
