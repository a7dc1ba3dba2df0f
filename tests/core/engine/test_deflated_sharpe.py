"""The deflated Sharpe ratio, against the numbers of the paper and against luck itself."""

import math

import numpy as np
import pytest

from stratkernel.engine.deflated_sharpe import deflated_sharpe, expected_maximum, probability_above


def test_deflated_sharpe_gives_the_numbers_of_the_paper() -> None:
    """Bailey and Lopez de Prado (2014), "A numerical example": 100 trials, 5 years of 250 days."""
    expected = expected_maximum(100) * math.sqrt(0.5 / 250)
    assert expected == pytest.approx(0.1132, abs=5e-5)
    assert probability_above(2.5 / math.sqrt(250), expected, 1250, -3.0, 10.0) == pytest.approx(
        0.9004, abs=5e-5
    )


def test_deflated_sharpe_of_46_trials_and_normal_returns_is_as_the_paper_says() -> None:
    """ibid.: with 46 trials the same strategy stands the test."""
    expected = expected_maximum(46) * math.sqrt(0.5 / 250)
    probability = probability_above(2.5 / math.sqrt(250), expected, 1250, -3.0, 10.0)
    assert probability is not None
    assert probability > 0.95


def test_expected_maximum_is_about_that_of_random_numbers() -> None:
    drawn = np.random.default_rng(1).normal(size=(4_000, 200)).max(axis=1)
    assert expected_maximum(200) == pytest.approx(drawn.mean(), abs=0.03)
    assert expected_maximum(1) == 0.0


def returns_of(sharpe: float, days: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=days)
    drawn = (drawn - drawn.mean()) / drawn.std(ddof=1)
    return 0.01 * (drawn + sharpe / math.sqrt(365))


def test_deflated_sharpe_best_of_many_without_skill_is_by_chance() -> None:
    days, trials = 500, 400
    drawn = np.random.default_rng(2).normal(scale=0.01, size=(trials, days))
    sharpes = drawn.mean(axis=1) / drawn.std(axis=1, ddof=1) * math.sqrt(365)
    best = int(np.argmax(sharpes))
    found = deflated_sharpe(sharpes, drawn[best], 365)
    assert found is not None
    assert found.trials == trials
    assert found.sharpe == pytest.approx(sharpes[best])
    assert found.by_chance
    assert f"{found.expected:.3f}" in str(found)
    assert "chance alone may have given it" in str(found)


def test_deflated_sharpe_one_trial_with_skill_is_not_by_chance() -> None:
    found = deflated_sharpe(np.array([3.0]), returns_of(3.0, 1_000, 3), 365)
    assert found is not None
    assert found.expected == 0.0
    assert found.sharpe == pytest.approx(3.0)
    assert not found.by_chance
    assert found.to_dict()["by_chance"] is False


def test_deflated_sharpe_falls_with_the_number_of_trials() -> None:
    returns = returns_of(2.0, 400, 4)
    probabilities = []
    for trials in (2, 20, 200, 2_000):
        found = deflated_sharpe(np.tile([1.0, -1.0], trials // 2), returns, 365)
        assert found is not None
        probabilities.append(found.probability)
    assert probabilities == sorted(probabilities, reverse=True)
    assert probabilities[0] > probabilities[-1]


def test_deflated_sharpe_undefined_ratios_are_no_trials() -> None:
    found = deflated_sharpe(np.array([1.0, np.nan, 2.0, np.nan]), returns_of(2.0, 100, 5), 365)
    assert found is not None
    assert found.trials == 2


@pytest.mark.parametrize("returns", [[], [0.1, 0.2], [0.01] * 50])
def test_deflated_sharpe_without_returns_that_vary_is_none(returns: list[float]) -> None:
    assert deflated_sharpe(np.array([1.0, 2.0]), np.array(returns), 365) is None
