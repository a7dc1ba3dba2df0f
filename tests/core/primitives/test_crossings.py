"""`crossings` against the state machine written out, in both forms and any portions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stratkernel.engine.kernels.dispatch import use
from stratkernel.primitives import Crossings, crossing_step, crossings

FORMS = ("arrays", "numba")


def state_machine(
    a: np.ndarray, b: np.ndarray, band: np.ndarray, side: int
) -> tuple[list[int], list[float], int]:
    """Fires when a - b leaves the band on the other side than the one on which it last was."""
    rows, directions = [], []
    for row, (difference, width) in enumerate(zip(a - b, band, strict=True)):
        now = 1 if difference > width else -1 if difference < -width else 0
        if now and now == -side:
            rows.append(row)
            directions.append(float(now))
        side = now or side
    return rows, directions, side


def lines(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two lines that meet: in ties, in noise inside the band, at its edge, by jumps, with NaN; a scale."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-3, 3) * np.exp(np.cumsum(rng.normal(0, 0.01, rows)))
    kinds = np.stack(
        [
            np.zeros(rows),
            rng.normal(0, 1e-9, rows) * scale,
            rng.choice([-1e-9, 1e-9], rows) * scale,
            rng.choice([-1.0, 1.0], rows) * scale,
            np.cumsum(rng.normal(0, 0.1, rows)) * scale,
            np.full(rows, np.nan if rng.random() < 0.3 else 1.0),
        ]
    )
    lengths = rng.geometric(rng.choice([0.5, 0.05, 0.002]), rows)
    kind = np.repeat(rng.integers(0, len(kinds), rows), lengths)[:rows]
    b = rng.normal(0, 1, rows) * scale
    return b + kinds[kind, np.arange(rows)], b, scale


sizes = st.sampled_from([1, 2, 9, 100, 4_096, 4_097, 9_000])
seeds = st.integers(0, 2**32 - 1)
sides = st.sampled_from([-1, 0, 1])


def equal(found: Crossings, expected: tuple[list[int], list[float], int]) -> bool:
    rows, directions, side = expected
    return (
        np.array_equal(found.rows, rows)
        and np.array_equal(found.directions, directions)
        and found.side == side
    )


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=200, deadline=None)
@given(
    seed=seeds,
    size=sizes,
    side=sides,
    relative=st.sampled_from([0.0, 1e-9, 0.2]),
    absolute=st.sampled_from([0.0, 1.0]),
)
@example(seed=0, size=1, side=0, relative=0.0, absolute=0.0)
def test_crossings_of_two_lines_equal_the_state_machine(
    form: Any, seed: int, size: int, side: int, relative: float, absolute: float
) -> None:
    a, b, scale = lines(seed, size)
    with use(form):
        found = crossings(a, b, relative=relative, scale=scale, absolute=absolute, side=side)
    assert equal(found, state_machine(a, b, absolute + relative * np.abs(scale), side))


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=200, deadline=None)
@given(seed=seeds, size=sizes, side=sides, absolute=st.sampled_from([0.0, 1e-9, 0.3]))
def test_crossings_of_a_level_equal_the_state_machine(
    form: Any, seed: int, size: int, side: int, absolute: float
) -> None:
    a, b, scale = lines(seed, size)
    line = (a - b) / scale + 30.0
    with use(form):
        found = crossings(line, 30.0, absolute=absolute, side=side)
    assert equal(found, state_machine(line, np.full(size, 30.0), np.full(size, absolute), side))


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=100, deadline=None)
@given(seed=seeds, size=sizes, cuts=st.lists(st.integers(0, 9_000), max_size=5))
def test_crossings_in_any_portions_equal_the_whole(form: Any, seed: int, size: int, cuts: list[int]) -> None:
    a, b, scale = lines(seed, size)
    with use(form):
        whole = crossings(a, b, scale=scale)
        rows, directions, side, start = [], [], 0, 0
        for part in np.split(np.arange(size), sorted(cuts)):
            found = crossings(a[part], b[part], scale=scale[part], side=side)
            rows += [start + row for row in found.rows.tolist()]
            directions += found.directions.tolist()
            side, start = found.side, start + len(part)
    assert equal(whole, (rows, directions, side))


def test_crossing_step_equals_crossings() -> None:
    a, b, scale = lines(11, 9_000)
    whole = crossings(a, b, scale=scale)
    side, fired = 0, {}
    for row, (one, other, unit) in enumerate(zip(a.tolist(), b.tolist(), scale.tolist(), strict=True)):
        direction, side = crossing_step(one, other, scale=unit, side=side)
        if direction:
            fired[row] = float(direction)
    assert len(fired) > 10
    assert equal(whole, (list(fired), list(fired.values()), side))


@pytest.mark.parametrize("form", FORMS)
def test_crossings_at_every_row_are_all_found(form: Any) -> None:
    line = np.where(np.arange(200_000) % 2, 1.0, -1.0)
    with use(form):
        found = crossings(line, 0.0)
    assert np.array_equal(found.rows, np.arange(1, 200_000))
    assert np.array_equal(found.directions, line[1:])


@pytest.mark.parametrize("form", FORMS)
def test_crossings_ignore_noise_inside_the_band_and_remember_the_side_before_it(form: Any) -> None:
    line = np.array([1.0, 1e-10, -1e-10, 1e-10, 1.0, -1e-10, -1.0, -1e-10, 1e-10, 1.0])
    with use(form):
        found = crossings(line, 0.0, absolute=1e-9)
    assert equal(found, ([6, 9], [-1.0, 1.0], 1))


@pytest.mark.parametrize("form", FORMS)
def test_crossings_on_equality_keep_the_side(form: Any) -> None:
    with use(form):
        assert equal(crossings([1.0, 0.0, 1.0, 0.0, -1.0], 0.0), ([4], [-1.0], -1))
        assert equal(crossings([0.0, 0.0, 0.0], np.int64(0)), ([], [], 0))


@pytest.mark.parametrize("form", FORMS)
def test_crossings_of_no_rows_keep_the_side(form: Any) -> None:
    with use(form):
        assert equal(crossings([], [], side=-1), ([], [], -1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: crossings([1.0, 2.0], [1.0]), "`b` has 1 rows, `a` has 2"),
        (lambda: crossings([1.0, 2.0], 1.0, scale=[1.0]), "`scale` has 1 rows, `a` has 2"),
        (lambda: crossings([1.0], 1.0, absolute=-1.0), "got relative 1e-09, absolute -1.0"),
        (lambda: crossings([1.0], 1.0, relative=float("nan")), "got relative nan"),
        (lambda: crossings([1.0], 1.0, side=2), "a side is -1, 0 or 1, got 2"),
    ],
)
def test_crossings_with_arguments_that_do_not_fit_say_which(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
