from decimal import Decimal
from enum import Enum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from stratkernel import ParameterError, Params
from stratkernel.engine.grid import Grid, Steps


class Average(Enum):
    EMA = "ema"
    SMA = "sma"


class MadeParams(Params):
    fast: int = Field(3, ge=1)
    slow: int = 5
    factor: float = 1.0
    kind: Literal["ema", "sma"] = "ema"
    average: Average = Average.EMA
    short: bool = False
    trend: int | None = None


def parse(*texts: str, **fixed: Any) -> Grid:
    return Grid.parse(texts, MadeParams, "strategy 'made'", fixed)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fast=5..8", [5, 6, 7, 8]),
        ("fast=20:30:5", [20, 25, 30]),
        ("fast=20:29:5", [20, 25]),
        ("fast=7", [7]),
        ("fast = 7, 9,11..12", [7, 9, 11, 12]),
        ("slow=-3..-1", [-3, -2, -1]),
        ("factor=0.5:2:0.25", [0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0]),
        ("factor=0.1:0.7:0.1", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]),
        ("factor=1..3", [1.0, 2.0, 3.0]),
        ("factor=1,2.5e-1", [1.0, 0.25]),
        ("kind=ema,sma", ["ema", "sma"]),
        ("average=sma,ema", [Average.SMA, Average.EMA]),
        ("short=true,false", [True, False]),
        ("trend=null,50", [None, 50]),
        ("exit.stop_loss=0.01:0.03:0.01", [0.01, 0.02, 0.03]),
        ("exit.max_bars=none,10".replace("none", "null"), [None, 10]),
    ],
)
def test_axis_text_gives_values_of_the_parameters_type(text: str, expected: list[Any]) -> None:
    (axis,) = parse(text).axes
    assert list(axis.values) == expected
    assert [type(value) for value in axis.values] == [type(value) for value in expected]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("fst=1", r"unknown parameter 'fst'. Did you mean 'fast'\? It has: fast, slow"),
        ("fast=abc", "'fast': expected whole numbers, got 'abc'"),
        ("fast=1.5", "expected whole numbers, got '1.5'"),
        ("fast=1..2.5", "expected whole numbers, got '1..2.5'"),
        ("fast=", "expected whole numbers, got ''"),
        ("fast=1:3", "'1:3' has no step; write 5..50"),
        ("fast=5..1", "'5..1' is empty"),
        ("fast=1:5:0", "'1:5:0' is empty"),
        ("fast=1,2,1", "the value 1 is given twice"),
        ("factor=x", "expected numbers, got 'x'"),
        ("factor=nan", "expected numbers, got 'nan'"),
        ("kind=wma", "expected ema, sma, got 'wma'"),
        ("kind=1..3", "is a range, and the parameter takes no numbers"),
        ("short=yes", "expected true or false, got 'yes'"),
        ("trend=x", "expected whole numbers or null, got 'x'"),
        ("fast", "expected parameter=values"),
        ("fast=1..9000000,3", "a range of more than 1,000,000 values stands alone"),
    ],
)
def test_axis_text_that_says_nothing_is_refused_with_what_was_expected(text: str, problem: str) -> None:
    with pytest.raises(ParameterError, match=problem):
        parse(text)


def test_axis_given_twice_is_refused() -> None:
    with pytest.raises(ParameterError, match="grid over 'fast' is given twice"):
        parse("fast=1..3", "fast=5")


def test_grid_combinations_vary_the_last_axis_fastest_and_keep_what_is_fixed() -> None:
    grid = parse("fast=1..2", "kind=ema,sma", slow=9)
    assert list(grid) == [
        {"slow": 9, "fast": 1, "kind": "ema"},
        {"slow": 9, "fast": 1, "kind": "sma"},
        {"slow": 9, "fast": 2, "kind": "ema"},
        {"slow": 9, "fast": 2, "kind": "sma"},
    ]
    assert (grid.size, len(grid), grid.values_at(3)) == (4, 4, (2, "sma"))


def test_grid_axis_takes_the_place_of_a_fixed_value() -> None:
    assert parse("fast=1..2", fast=9)[1] == {"fast": 2}


def test_grid_without_axes_is_one_combination() -> None:
    assert list(parse(fast=4)) == [{"fast": 4}]


@pytest.mark.parametrize("index", [-1, 4])
def test_grid_combination_beyond_its_size_is_no_combination(index: int) -> None:
    with pytest.raises(IndexError, match="of a grid of 4"):
        parse("fast=1..2", "kind=ema,sma").values_at(index)


def test_grid_of_a_billion_is_indexed_and_sampled_without_being_laid_out() -> None:
    grid = parse("fast=1..1000000000", "factor=0:1000000:0.001")
    assert grid.size == 10**9 * (10**9 + 1)
    assert grid[grid.size - 1] == {"fast": 10**9, "factor": 1_000_000.0}
    chosen = grid.sample(1_000, seed=3)
    assert chosen == sorted(set(chosen)) == grid.sample(1_000, seed=3)
    assert len(chosen) == 1_000
    assert chosen != grid.sample(1_000, seed=4)


@given(count=st.integers(0, 40), seed=st.integers(0, 5))
def test_grid_sample_has_that_many_different_combinations_in_order(count: int, seed: int) -> None:
    grid = parse("fast=1..6", "slow=1..5")
    chosen = grid.sample(count, seed)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(count, 30)
    assert set(chosen) <= set(range(30))


@given(
    first=st.integers(-1_000, 1_000),
    step=st.integers(1, 50),
    count=st.integers(1, 60),
    digits=st.integers(0, 6),
)
def test_steps_are_what_their_decimals_say(first: int, step: int, count: int, digits: int) -> None:
    unit = Decimal(1).scaleb(-digits)
    steps = Steps(first * unit, step * unit, count)
    assert list(steps) == [float(str((first + i * step) * unit)) for i in range(count)]
    assert steps[-1] == steps[count - 1]
    assert steps[:2] == tuple(list(steps)[:2])


def test_steps_end_where_they_end() -> None:
    with pytest.raises(IndexError):
        Steps(Decimal(0), Decimal(1), 3)[3]
