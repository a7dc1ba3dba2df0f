"""Markets on which the three indicators must be the same to the last bit however they are fed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from stratkernel.engine.kernels.dispatch import use

Market = Callable[[str], np.ndarray]
REAL = {
    "five minutes": "binance_BTCUSDT_5m.parquet",
    "many flat minutes": "kraken_BTCUSDC_1m.parquet",
    "daily, with splits": "bokehpd_AAPL_1d.parquet",
}


@pytest.fixture(params=["arrays", "numba"])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every test that asks for it runs with numpy and pandas, and with the compiled loops."""
    with use(request.param):
        yield request.param


@pytest.fixture(scope="session")
def real_closes(shared_data: Path) -> Market:
    """Closes of real candles by a telling name."""
    return lambda name: pq.read_table(shared_data / REAL[name], columns=["close"])["close"].to_numpy()


@pytest.fixture(scope="session")
def made_closes() -> Market:
    """Closes that are hard on a recurrence, by name; long enough for kernels that work in lanes."""
    steps = np.random.default_rng(7).normal(0.0, 1e-3, 12_000)
    walk = 100.0 * np.exp(np.cumsum(steps))
    halted = np.concatenate((walk[:4_000], np.full(9_000, walk[3_999]), walk[4_000:]))
    jumping = np.round(walk, 2) * np.where(np.arange(len(walk)) // 1_500 % 2, 1000.0, 1.0)
    markets = {"flat": np.full(12_000, 0.1), "halted": halted, "jumps": jumping}
    return lambda name: markets[name]
