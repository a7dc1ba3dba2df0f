"""T5 and T6: sweeps of parameters against vectorbt, and against one comparison of two averages each.

What is timed is the public way: a `Sweep` over a grid as it is parsed, refused combinations included, with
the strategy plugins as they ship; for vectorbt its averages once, then chunks of columns through
`Portfolio.from_signals` and the same six metrics. Seconds are those of one combination.
"""

import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
from tests.benchmarks.harness import Comparison, compare, markdown

from stratkernel import Candles, Costs, Kernel, StrategyFactory
from stratkernel.engine.grid import Grid
from stratkernel.engine.kernels.dispatch import use
from stratkernel.engine.sweep import Sweep, SweepOptions
from stratkernel.engine.sweep_result import SweepRows
from stratkernel.primitives import smooth
from stratkernel.testing.candles import candles_from_close, random_walk

SHORTEST = 5
CHUNK = {10_000: 200, 100_000: 50}
"""Combinations that vectorbt is given at a time: more do not make it faster, and need its memory."""
EXAMPLE = Path(__file__).parents[2] / "examples" / "stratkernel-donchian"
AT_CLOSE = SweepOptions(Costs(fill="close"))


def made(rows: int) -> Candles:
    return candles_from_close(random_walk(rows, seed=1, volatility=0.002), timeframe="1m")


def averages(kernel: Kernel, candles: Candles, longest: int) -> SweepRows:
    item = StrategyFactory(kernel).item("ema_crossover")
    span = f"{SHORTEST}..{longest}"
    grid = Grid.parse([f"fast_period={span}", f"slow_period={span}"], item.cls.Params, item.title)
    return Sweep(kernel, "ema_crossover", grid, candles, AT_CLOSE).evaluate()


def portfolio(candles: Candles, entries: np.ndarray, exits: np.ndarray, engine: str) -> Any:
    import vectorbt as vbt

    close = pd.Series(candles.columns.close)  # with an index of times it is many times slower
    return vbt.Portfolio.from_signals(
        close, pd.DataFrame(entries), pd.DataFrame(exits), init_cash=10_000.0, freq="1min", engine=engine
    )


def measure(found: Any) -> list[Any]:
    trades = found.trades
    return [
        found.total_return(), found.sharpe_ratio(), found.max_drawdown(),
        trades.win_rate(), trades.profit_factor(), trades.count(),
    ]  # fmt: skip


class VectorbtAverages:
    """Its averages, computed once, and portfolios over chunks of pairs of them."""

    def __init__(self, candles: Candles, longest: int) -> None:
        import vectorbt as vbt

        self.candles = candles
        periods = list(range(SHORTEST, longest + 1))
        close = pd.Series(candles.columns.close)
        self.bank = vbt.MA.run(close, periods, ewm=True).ma.to_numpy()

    def portfolio(self, pairs: Sequence[tuple[int, int]], engine: str, *, ours: bool = False) -> Any:
        """With `ours` on our averages, whose seed is another."""
        fast, slow = (self._columns([pair[place] for pair in pairs], ours=ours) for place in (0, 1))
        warm = np.array([slow for _, slow in pairs]) if ours else 0
        lines, others = pd.DataFrame(fast), pd.DataFrame(slow)
        entries = lines.vbt.crossed_above(others, wait=0).to_numpy()
        exits = lines.vbt.crossed_below(others, wait=0).to_numpy()
        if ours:
            known = np.arange(len(fast))[:, np.newaxis] >= warm
            entries, exits = entries & known, exits & known
        return portfolio(self.candles, entries, exits, engine)

    def _columns(self, periods: list[int], *, ours: bool) -> np.ndarray:
        if not ours:
            return self.bank[:, [period - SHORTEST for period in periods]]
        return np.column_stack([smooth(self.candles.columns.close, period)[0] for period in periods])


def compared(candles: Candles, longest: int, rounds: int) -> Comparison:
    """Seconds of one combination for each engine."""
    kernel, theirs = Kernel(), VectorbtAverages(candles, longest)
    pairs = list(combinations(range(SHORTEST, longest + 1), 2))
    chunk = Random(0).sample(pairs, CHUNK[len(candles)])  # noqa: S311 - no secret

    def with_backend(backend: Any) -> Callable[[], object]:
        def run() -> object:
            with use(backend):
                return averages(kernel, candles, longest)

        return run

    def vectorbt(engine: str) -> Callable[[], object]:
        return lambda: measure(theirs.portfolio(chunk, engine))

    each = {
        "stratkernel, numba": (with_backend("numba"), len(pairs)),
        "stratkernel, numpy only": (with_backend("arrays"), len(pairs)),
        "vectorbt, numba": (vectorbt("numba"), len(chunk)),
        "vectorbt, rust": (vectorbt("rust"), len(chunk)),
    }
    taken = compare({name: call for name, (call, _) in each.items()}, rounds=rounds)
    return _for_one(taken, {name: count for name, (_, count) in each.items()})


def floor(candles: Candles, longest: int, rounds: int) -> Comparison:
    """Seconds of one combination of ours, and of one `np.greater` over the two averages."""
    kernel = Kernel()
    periods = range(SHORTEST, longest + 1)
    bank = {period: smooth(candles.columns.close, period)[0] for period in periods}
    pairs, above = list(combinations(periods, 2)), np.empty(len(candles), dtype=bool)

    def greater() -> None:
        for fast, slow in pairs:
            np.greater(bank[fast], bank[slow], out=above)

    def ours() -> object:
        with use("numba"):
            return averages(kernel, candles, longest)

    taken = compare({"stratkernel, numba": ours, "np.greater": greater}, rounds=rounds)
    return _for_one(taken, dict.fromkeys(taken.seconds, len(pairs)))


def donchian(candles: Candles, rounds: int) -> Comparison:
    """A stranger's plugin in plain numpy, and vectorbt's own rolling extremes; seconds of one combination."""
    import vectorbt  # noqa: F401 - gives columns their `vbt`

    sys.path.insert(0, str(EXAMPLE))
    kernel = Kernel(discover=False)
    kernel.register(import_module("stratkernel_donchian"), "donchian")
    item = StrategyFactory(kernel).item("donchian")
    grid = Grid.parse(["period=10..209"], item.cls.Params, item.title)
    high, low = pd.Series(candles.columns.high), pd.Series(candles.columns.low)
    close = candles.columns.close[:, np.newaxis]
    windows = list(range(10, 10 + CHUNK[len(candles)]))

    def ours() -> object:
        with use("numba"):
            return Sweep(kernel, "donchian", grid, candles, AT_CLOSE).evaluate()

    def theirs(engine: str) -> Callable[[], object]:
        def run() -> object:
            upper, lower = np.full((2, len(close), len(windows)), np.nan)
            for place, window in enumerate(windows):
                upper[1:, place] = high.vbt.rolling_max(window, minp=window).to_numpy()[:-1]
                lower[1:, place] = low.vbt.rolling_min(window, minp=window).to_numpy()[:-1]
            return measure(portfolio(candles, close > upper, close < lower, engine))

        return run

    taken = compare(
        {"stratkernel, numba": ours, "vectorbt, numba": theirs("numba"), "vectorbt, rust": theirs("rust")},
        rounds=rounds,
    )
    counts = {name: len(windows) if "vectorbt" in name else grid.size for name in taken.seconds}
    return _for_one(taken, counts)


def difference(candles: Candles, longest: int, sample: int = 40) -> float:
    """Largest relative difference of our six metrics from those that vectorbt's equity and trades have."""
    kernel, theirs = Kernel(), VectorbtAverages(candles, longest)
    rows = averages(kernel, candles, longest)
    places = Random(1).sample(range(len(rows)), sample)  # noqa: S311 - no secret
    pairs = [(rows.parameters(row)["fast_period"], rows.parameters(row)["slow_period"]) for row in places]
    found = theirs.portfolio(pairs, "numba", ours=True)
    closed = found.trades.closed
    expected = {
        "total_return": found.total_return(),
        "sharpe": _daily_sharpe(candles, found.value().to_numpy()),
        "max_drawdown": found.max_drawdown(),
        "win_rate": closed.win_rate(),
        "profit_factor": closed.profit_factor(),
        "trades": closed.count(),
    }
    return max(
        float(np.max(np.abs(rows.metrics[name][places] / np.asarray(column) - 1.0)))
        for name, column in expected.items()
    )


def _daily_sharpe(candles: Candles, equity: np.ndarray) -> np.ndarray:
    """Of the equity at the end of each UTC day; a close at midnight belongs to the day that ends then."""
    closes = pd.DatetimeIndex(candles.close_time.astype("datetime64[us]")) - pd.Timedelta(1, "us")
    ends = pd.DataFrame(equity, index=closes).resample("1D").last()
    returns = pd.concat([pd.DataFrame(equity[:1]), ends]).pct_change().iloc[1:]
    return np.asarray(returns.mean() / returns.std(ddof=1) * np.sqrt(365.0))


_MEMORY = """
import re, sys
from pathlib import Path
from tests.benchmarks import sweep
from stratkernel import Kernel
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
def begin():
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    return peak()
candles, longest = sweep.made(int(sys.argv[2])), int(sys.argv[3])
small = sweep.made(2_000)
if sys.argv[1] == "ours":
    with sweep.use("numba"):
        sweep.averages(Kernel(), small, 8)
        before = begin()
        sweep.averages(Kernel(), candles, longest)
else:
    little = sweep.VectorbtAverages(small, 8)
    sweep.measure(little.portfolio([(5, 8)], "rust"))
    before = begin()
    theirs = sweep.VectorbtAverages(candles, longest)
    chunk = list(sweep.combinations(range(5, longest + 1), 2))[: sweep.CHUNK[len(candles)]]
    sweep.measure(theirs.portfolio(chunk, "rust"))
print((peak() - before) / 1024)
"""


def added_megabytes(who: str, rows: int, longest: int) -> float:
    """Peak memory above that of a tiny sweep, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-c", _MEMORY, who, str(rows), str(longest)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _for_one(taken: Comparison, counts: dict[str, int]) -> Comparison:
    return Comparison(
        {name: [each / counts[name] for each in seconds] for name, seconds in taken.seconds.items()}
    )


def table(*, rounds: int = 7, large: bool = True) -> str:
    warnings.simplefilter("ignore")  # the peer's own warnings
    lines: list[tuple[object, ...]] = []
    targets: list[tuple[object, ...]] = []
    for rows in CHUNK:
        taken = compared(made(rows), 50, rounds)
        best = taken.fastest(["vectorbt, numba", "vectorbt, rust"])
        lines += [_line(f"EMA, 1,035 x {rows:,}", name, taken, best) for name in taken.seconds]
        memory = {who: added_megabytes(who, rows, 50) for who in ("ours", "vectorbt")}
        targets += [
            _target(rows, f"{best} / numba", taken.ratio(best, "stratkernel, numba"), 100),
            _target(rows, f"{best} / numpy only", taken.ratio(best, "stratkernel, numpy only"), 15),
            _target(rows, "added memory, vectorbt / numba", memory["vectorbt"] / memory["ours"], 5),
        ]
        taken = donchian(made(rows), rounds)
        best = taken.fastest(["vectorbt, numba", "vectorbt, rust"])
        lines += [_line(f"Donchian, 200 x {rows:,}", name, taken, best) for name in taken.seconds]
        targets.append(
            _target(rows, f"Donchian: {best} / numba", taken.ratio(best, "stratkernel, numba"), 10)
        )
    if large:
        taken = floor(made(100_000), 146, 3)
        lines += [_line("EMA, 10,011 x 100,000", name, taken, "np.greater") for name in taken.seconds]
        ratio = taken.ratio("stratkernel, numba", "np.greater")
        targets.append(
            ("100,000", "numba / np.greater", f"{ratio:.2f}", "<= 4", "yes" if ratio <= 4 else "NO")
        )
    apart = max(difference(made(rows), 50) for rows in CHUNK)
    return "\n".join(
        [
            markdown(("sweep", "engine", "CPU of a combination, median", "times as fast as the peer"), lines),
            "",
            markdown(("candles", "ratio of", "measured", "wanted", "reached"), targets),
            "",
            f"All six metrics of 40 combinations are within {apart:.1e} of vectorbt's.",
        ]
    )


def _line(sweep: str, name: str, taken: Comparison, best: str) -> tuple[object, ...]:
    return sweep, name, f"{1e6 * taken.typical(name):,.1f} us", f"{taken.ratio(best, name):.1f}x"


def _target(rows: int, what: str, ratio: float, wanted: int) -> tuple[object, ...]:
    return f"{rows:,}", what, f"{ratio:.1f}", f">= {wanted}", "yes" if ratio >= wanted else "NO"
