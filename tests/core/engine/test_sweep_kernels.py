"""The kernels of a sweep: both forms, and numpy's own, give the same bits."""

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratkernel.engine.kernels.crossing import find_crossings
from stratkernel.engine.kernels.dispatch import Backend, use
from stratkernel.engine.kernels.sweep_arrays import market_of
from stratkernel.engine.kernels.sweep_crossings import (
    PAIRS,
    CrossingScratch,
    Pair,
    crossings_of_pairs,
    scan_crossings,
)
from stratkernel.engine.kernels.sweep_sums import sum_stretches

needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="the extra 'fast' is not installed")

LENGTHS = [0, 1, 7, 8, 9, 127, 128, 129, 136, 255, 256, 257, 1_000, 1_024, 4_099, 20_001]


@pytest.mark.parametrize("form", ["loop", pytest.param("compiled", marks=needs_numba), "arrays"])
def test_sums_of_stretches_have_the_bits_of_numpy_s_sum(form: str) -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=30_000) * 10.0 ** random.integers(-9, 9, 30_000)
    starts, counts = random.integers(0, 9_000, len(LENGTHS)), np.array(LENGTHS)
    out = np.empty(len(LENGTHS))
    getattr(sum_stretches, form)(values, starts, counts, out)
    expected = [
        float(np.sum(values[start : start + count])) for start, count in zip(starts, counts, strict=True)
    ]
    assert out.tolist() == expected


lines = st.builds(
    lambda seed, rows, flat, step: (
        np.round(
            np.where(np.arange(rows) % flat < flat // 2, 0.0, np.random.default_rng(seed).normal(size=rows))
            * step
        )
        + 100.0
    ),
    seed=st.integers(0, 9_999),
    rows=st.sampled_from([1, 2, 7, 8, 9, 65, 4_096, 4_097, 9_000]),
    flat=st.sampled_from([1, 2, 20, 700]),
    step=st.sampled_from([1e-12, 1.0, 3.0, 1e6]),
)


@pytest.mark.parametrize("backend", ["arrays", pytest.param("numba", marks=needs_numba)])
@given(
    line=lines, seed=st.integers(0, 99), cuts=st.lists(st.integers(0, 60), min_size=1, max_size=PAIRS),
    relative=st.sampled_from([0.0, 1e-9, 0.02]),
)  # fmt: skip
def test_crossings_of_pairs_are_those_of_the_crossing_kernel(
    backend: Backend, line: np.ndarray, seed: int, cuts: list[int], relative: float
) -> None:
    random = np.random.default_rng(seed)
    pairs = []
    for cut in cuts:
        other, scale = 100.0 + random.integers(-2, 3, len(line)), np.full(len(line) + cut, 100.0)
        for array in (line, other, scale):
            array.flags.writeable = False
        pairs.append(Pair(line, other, scale, max(1, len(line) - cut), relative))
    with use(backend):
        found = list(crossings_of_pairs(pairs, CrossingScratch.of(len(line), len(pairs))))
        expected = [
            find_crossings(a[-length:], b[-length:], 0.0, scale[-length:], relative, 0.0, 0)
            for a, b, scale, length, _ in pairs
        ]
    for (rows, side), (expected_rows, expected_side) in zip(found, expected, strict=True):
        assert rows.tolist() == expected_rows.tolist()
        assert not rows.flags.writeable
        assert side == expected_side or not len(rows)


@needs_numba
def test_crossing_scan_in_python_equals_the_compiled_one() -> None:
    random = np.random.default_rng(3)
    lines = [random.normal(size=700).cumsum() for _ in range(PAIRS + 1)]
    results = []
    for form in (scan_crossings.loop, scan_crossings.compiled, scan_crossings.arrays):
        scratch = CrossingScratch.of(700, PAIRS)
        scratch.lengths[:] = np.arange(PAIRS) + 600
        scratch.relatives[:] = 1e-9
        with np.errstate(over="ignore"):  # words of eight bytes are multiplied modulo 2**64
            form(tuple(lines[:-1]), tuple(lines[1:]), (np.ones(700),) * PAIRS, PAIRS, scratch)
        counts = scratch.counts.tolist()
        results.append((counts, scratch.rows[: sum(each >> 1 for each in counts)].tolist()))
    assert results[0] == results[1] == results[2]


@given(st.integers(1, 900), st.data())
def test_market_extremes_cover_every_stretch(length: int, data: st.DataObject) -> None:
    close = np.random.default_rng(length).random(length) + 1.0
    market = market_of(close, close)
    first = data.draw(st.integers(0, length - 1))
    last = data.draw(st.integers(first, length - 1))
    low_block, high_block = first >> 4, last >> 4
    level = int(market.levels[high_block - low_block + 1])
    other = high_block + 1 - (1 << level)
    covered = close[low_block << 4 : (high_block + 1) << 4]
    assert min(market.low[level, low_block], market.low[level, other]) == covered.min()
    assert max(market.high[level, low_block], market.high[level, other]) == covered.max()
