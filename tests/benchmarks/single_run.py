"""T4: one run end to end, an EMA crossover over candles in memory, against vectorbt and backtesting.py.

What is timed is the public way: `run_strategy` and `evaluate` with validation, flags and all metrics
for stratkernel; `MA.run`, `Portfolio.from_signals` and the same metrics for vectorbt; `Backtest.run`
for backtesting.py. All trade at the close of the signal, all equity in, without costs.
"""

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from tests.benchmarks.harness import Comparison, compare, markdown

from stratkernel import Candles, Costs, Kernel, Performance, StrategyFactory, evaluate, run_strategy
from stratkernel.engine.kernels.dispatch import use
from stratkernel.testing.candles import candles_from_close, random_walk

FAST, SLOW = 12, 26
METRICS = {
    "total_return": "total_return",
    "max_drawdown": "max_drawdown",
    "win_rate": "trades.win_rate",
    "profit_factor": "trades.profit_factor",
    "trades": "trades.count",
}


def ours(kernel: Kernel, candles: Candles) -> Performance:
    strategy = StrategyFactory(kernel).create("ema_crossover", {"fast_period": FAST, "slow_period": SLOW})
    result = run_strategy(kernel, strategy, candles)
    return evaluate(result.candles, result.signals, Costs(fill="close"))


def vectorbt_run(candles: Candles, engine: str) -> Callable[[], object]:
    import vectorbt as vbt

    close = pd.Series(candles.columns.close)  # with an index of times it is many times slower

    def run() -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the peer's own warnings
            fast = vbt.MA.run(close, FAST, ewm=True, engine=engine)
            slow = vbt.MA.run(close, SLOW, ewm=True, engine=engine)
            portfolio = vbt.Portfolio.from_signals(
                close,
                fast.ma_crossed_above(slow),
                fast.ma_crossed_below(slow),
                init_cash=10_000.0,
                freq="1min",
                engine=engine,
            )
            portfolio.total_return(), portfolio.sharpe_ratio(), portfolio.max_drawdown()
            return portfolio.trades.win_rate(), portfolio.trades.profit_factor(), portfolio.trades.count()

    return run


def equity_difference(kernel: Kernel, candles: Candles, delay: int) -> float:
    """Largest relative difference of our equity from vectorbt's, both trading on our signals."""
    import vectorbt as vbt

    strategy = StrategyFactory(kernel).create("ema_crossover", {"fast_period": FAST, "slow_period": SLOW})
    result = run_strategy(kernel, strategy, candles)
    fill = "next_open" if delay else "close"
    performance = evaluate(
        result.candles,
        result.signals,
        Costs(fill=fill, fee_bps=0.1, slippage_bps=0.05),  # type: ignore[arg-type]
    )
    entries, exits = np.zeros((2, len(candles)), dtype=bool)
    rows, up = result.signals.rows + delay, result.signals.types == 3
    inside = rows < len(candles)
    entries[rows[inside & up]], exits[rows[inside & ~up]] = True, True
    price = candles.columns.open if delay else candles.columns.close
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peer's own warnings
        portfolio = vbt.Portfolio.from_signals(
            pd.Series(candles.columns.close), entries, exits, price=pd.Series(price), init_cash=10_000.0,
            fees=0.00001, slippage=0.000005,
        )  # fmt: skip
    theirs = portfolio.value().to_numpy()
    trades = portfolio.trades.records
    assert trades["entry_idx"].tolist() == performance.trades.entry_row.tolist(), (
        "other entry bars than vectorbt"
    )
    return float(np.max(np.abs(performance.equity / theirs - 1.0)))


def backtesting_run(candles: Candles) -> Callable[[], object]:
    from backtesting import Backtest, Strategy
    from backtesting.lib import crossover

    def average(close: np.ndarray, period: int) -> np.ndarray:
        return pd.Series(close).ewm(span=period, adjust=False).mean().to_numpy()

    class Cross(Strategy):  # type: ignore[misc] # the peer ships no types
        def init(self) -> None:
            self.fast = self.I(average, self.data.Close, FAST)
            self.slow = self.I(average, self.data.Close, SLOW)

        def next(self) -> None:
            if crossover(self.fast, self.slow):
                self.buy()
            elif crossover(self.slow, self.fast):
                self.position.close()

    frame = candles.frame.rename(columns=str.capitalize)

    def run() -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the peer's own warnings
            return Backtest(frame, Cross, cash=1e9, trade_on_close=True, finalize_trades=True).run()

    return run


def _target(candles: int, measured: Comparison, ours: str, theirs: str, wanted: int) -> tuple[str, ...]:
    """What T4 wants of an engine, what was measured, and whether that is enough."""
    ratio = measured.ratio(theirs, ours)
    reached = "yes" if ratio >= wanted else "NO"
    return "T4", f"{candles:,}", f"{theirs} / {ours}", f"{ratio:,.1f}", f">= {wanted:,}", reached


def table(rows: int = 1_000_000, small: int = 100_000) -> str:
    kernel = Kernel()
    candles = candles_from_close(random_walk(rows, seed=1, volatility=0.002), timeframe="1m")
    little = candles.slice(0, small)

    def with_backend(backend: str, data: Candles) -> Callable[[], object]:
        def run() -> object:
            with use(backend):  # type: ignore[arg-type]
                return ours(kernel, data)

        return run

    million = compare(
        {
            "stratkernel, numba": with_backend("numba", candles),
            "stratkernel, numpy only": with_backend("arrays", candles),
            "vectorbt, numba": vectorbt_run(candles, "numba"),
            "vectorbt, rust": vectorbt_run(candles, "rust"),
        },
        rounds=9,
    )
    best = million.fastest(["vectorbt, numba", "vectorbt, rust"])
    lines = [
        (
            f"{rows:,} candles",
            name,
            f"{1e3 * million.typical(name):.1f} ms",
            f"{million.ratio(best, name):.1f}x",
        )
        for name in million.seconds
    ]
    few = compare(
        {"stratkernel, numba": with_backend("numba", little), "backtesting.py": backtesting_run(little)},
        rounds=3,
    )
    lines += [
        (
            f"{small:,} candles",
            name,
            f"{1e3 * few.typical(name):.2f} ms",
            f"{few.ratio('backtesting.py', name):,.0f}x",
        )
        for name in few.seconds
    ]
    targets = [
        _target(rows, million, "stratkernel, numba", best, 20),
        _target(rows, million, "stratkernel, numpy only", best, 5),
        _target(small, few, "stratkernel, numba", "backtesting.py", 1_000),
    ]
    difference = max(equity_difference(kernel, candles, delay) for delay in (0, 1))
    trades = len(ours(kernel, candles).trades)
    return "\n".join(
        [
            markdown(
                ("size", "engine", "CPU, median", f"times as fast as the peer ({best}; backtesting.py)"),
                lines,
            ),
            "",
            markdown(("target", "candles", "ratio of", "measured", "wanted", "reached"), targets),
            "",
            f"{trades:,} trades; entry bars equal vectorbt's, equity is within {difference:.1e} of its own.",
        ]
    )
