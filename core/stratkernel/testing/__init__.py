"""The plugin authors' kit: made candles, fake distributions, checks of folds and strategies."""

from stratkernel.testing.candles import candles_from_close, random_walk
from stratkernel.testing.determinism import check_deterministic
from stratkernel.testing.distributions import fake_distribution

__all__ = ["candles_from_close", "check_deterministic", "fake_distribution", "random_walk"]
