"""Kernels against TA-Lib, pandas and vectorbt: targets T1 to T3.

Peers that are not installed are left out and named. Seeded geometric Brownian prices; outputs are
reused where the peer allows it too (`memcpy`) or the target says so (MACD).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType

import numpy as np
import pandas as pd
from tests.benchmarks.harness import Comparison, compare, markdown

from stratkernel.contracts.arrays import FloatArray
from stratkernel.engine.kernels.crossing import changes_of_sign
from stratkernel.engine.kernels.dispatch import use
from stratkernel.primitives import column, crossings, smooth
from stratkernel_macd.indicator import macd_after_seed
from stratkernel_rsi.indicator import rsi_after_seed

SIZES = (100_000, 1_000_000)
Variants = dict[str, Callable[[], object]]


@dataclass(frozen=True)
class Row:
    """One line of the table: how many times as long the peer takes, and what it should be."""

    target: str
    rows: int
    claim: str
    ratio: float
    wanted: str = "-"
    reached: bool | None = None

    def cells(self) -> tuple[object, ...]:
        verdict = {None: "-", True: "yes", False: "NO"}[self.reached]
        return self.target, f"{self.rows:,}", self.claim, self.ratio, self.wanted, verdict


def prices(rows: int, seed: int = 1) -> FloatArray:
    """A geometric Brownian walk with 0.1 % steps from 100."""
    steps = np.random.default_rng(seed).normal(0.0, 1e-3, rows)
    return 100.0 * np.exp(np.cumsum(steps))


def peer(name: str) -> ModuleType | None:
    """An installed peer, or `None`."""
    return __import__(name) if find_spec(name) else None


def in_backend(call: Callable[[], object], backend: str) -> Callable[[], object]:
    """The call with its kernels in one form."""

    def run() -> object:
        with use(backend):  # type: ignore[arg-type] # "arrays" or "numba"
            return call()

    return run


def at_least(target: str, rows: int, measured: Comparison, ours: str, theirs: str, factor: float) -> Row:
    ratio = measured.ratio(theirs, ours)
    return Row(target, rows, f"{theirs} / {ours}", ratio, f">= {factor:g}", ratio >= factor)


def at_most(target: str, rows: int, measured: Comparison, ours: str, theirs: str, factor: float) -> Row:
    ratio = measured.ratio(ours, theirs)
    return Row(target, rows, f"{ours} / {theirs}", ratio, f"<= {factor:g}", ratio <= factor)


def without_target(rows: int, measured: Comparison, ours: str, theirs: str) -> Row:
    return Row("-", rows, f"{theirs} / {ours}", measured.ratio(theirs, ours))


def vectorbt_variants(name: str, run: Callable[[str], object]) -> Variants:
    """vectorbt with each engine that it has here."""
    variants: Variants = {}
    for engine in ("numba", "rust"):
        try:
            run(engine)
        except (ImportError, ValueError, RuntimeError):
            continue
        variants[f"vectorbt {name} {engine}"] = lambda engine=engine: run(engine)
    return variants


def ema(rows: int) -> Iterator[Row]:
    """T1."""
    close, out, talib = prices(rows), np.empty(rows), peer("talib")
    variants: Variants = {
        "memcpy": lambda: np.copyto(out, close),
        "ema, numba": in_backend(lambda: smooth(close, 12, out=out), "numba"),
        "ema, arrays": in_backend(lambda: smooth(close, 12, out=out), "arrays"),
        "pandas ewm": lambda: pd.Series(close, copy=False).ewm(span=12, adjust=False).mean(),
    }
    if talib:
        variants["TA-Lib EMA"] = lambda: talib.EMA(close, 12)
    measured = compare(variants)
    yield at_most("T1", rows, measured, "ema, numba", "memcpy", 4)
    yield at_most("T1+", rows, measured, "ema, numba", "memcpy", 1.3)
    if talib:
        yield at_least("T1", rows, measured, "ema, numba", "TA-Lib EMA", 1)
    yield at_least("T1", rows, measured, "ema, numba", "pandas ewm", 4)
    yield without_target(rows, measured, "ema, arrays", "pandas ewm")


def rsi(rows: int) -> Iterator[Row]:
    """T2, RSI."""
    close, out = prices(rows), np.empty(rows)
    talib, vectorbt = peer("talib"), peer("vectorbt")
    variants: Variants = {
        "rsi, numba": in_backend(lambda: rsi_after_seed(close, 14, close[0], 0.1, 0.1, out), "numba"),
        "rsi, arrays": in_backend(lambda: rsi_after_seed(close, 14, close[0], 0.1, 0.1, out), "arrays"),
    }
    if talib:
        variants["TA-Lib RSI"] = lambda: talib.RSI(close, 14)
    peers: Variants = {}
    if vectorbt:
        series = pd.Series(close)
        peers = vectorbt_variants(
            "RSI", lambda engine: vectorbt.RSI.run(series, 14, ewm=True, engine=engine).rsi
        )
    measured = compare(variants | peers)
    if talib:
        yield at_least("T2", rows, measured, "rsi, numba", "TA-Lib RSI", 1.3)
    if peers:
        yield at_least("T2", rows, measured, "rsi, numba", measured.fastest(peers), 10)
        yield without_target(rows, measured, "rsi, arrays", measured.fastest(peers))


def macd(rows: int) -> Iterator[Row]:
    """T2, MACD, outputs reused."""
    close = prices(rows)
    out = np.empty(rows), np.empty(rows), np.empty(rows)
    start = close[0], close[0], 0.0
    talib, vectorbt = peer("talib"), peer("vectorbt")
    variants: Variants = {
        "macd, numba": in_backend(lambda: macd_after_seed(close, (12, 26, 9), start, *out), "numba"),
        "macd, arrays": in_backend(lambda: macd_after_seed(close, (12, 26, 9), start, *out), "arrays"),
    }
    if talib:
        variants["TA-Lib MACD"] = lambda: talib.MACD(close, 12, 26, 9)
    peers: Variants = {}
    if vectorbt:
        series = pd.Series(close)
        peers = vectorbt_variants(
            "MACD",
            lambda engine: (
                vectorbt.MACD.run(series, 12, 26, 9, macd_ewm=True, signal_ewm=True, engine=engine).macd
            ),
        )
    measured = compare(variants | peers)
    if talib:
        yield at_least("T2", rows, measured, "macd, numba", "TA-Lib MACD", 1.1)
    if peers:
        yield at_least("T2", rows, measured, "macd, numba", measured.fastest(peers), 4)
        yield without_target(rows, measured, "macd, arrays", measured.fastest(peers))


def crossing(rows: int) -> Iterator[Row]:
    """T3: the scan where one line crosses another; then the public call, and the one with a dead band."""
    close = prices(rows)
    fast, slow = (column(smooth(close, period)[0][25:]) for period in (12, 26))
    scale, none = column(close[25:]), column([])

    def flatnonzero() -> object:
        above = fast > slow
        return np.flatnonzero(above[1:] != above[:-1])

    def double_shift() -> object:
        a, b = pd.Series(fast, copy=False), pd.Series(slow, copy=False)
        up = (a > b) & (a.shift(1) <= b.shift(1))
        down = (a < b) & (a.shift(1) >= b.shift(1))
        return np.flatnonzero(up), np.flatnonzero(down)

    variants: Variants = {"numpy flatnonzero": flatnonzero, "pandas double shift": double_shift}
    for backend in ("arrays", "numba"):
        calls: Variants = {
            "crossing scan": lambda: changes_of_sign(fast, slow, 0.0, none, 0.0, 0.0, 0),
            "crossings": lambda: crossings(fast, slow),
            "crossings with a band": lambda: crossings(fast, slow, scale=scale),
        }
        variants |= {f"{name}, {backend}": in_backend(call, backend) for name, call in calls.items()}
    measured = compare(variants)
    yield at_most("T3", rows, measured, "crossing scan, arrays", "numpy flatnonzero", 1.25)
    yield at_most("T3", rows, measured, "crossing scan, numba", "numpy flatnonzero", 0.85)
    for name in (
        "crossings, arrays",
        "crossings with a band, arrays",
        "crossings, numba",
        "crossings with a band, numba",
    ):
        yield at_least("T3", rows, measured, name, "pandas double shift", 5)
        yield without_target(rows, measured, name, "numpy flatnonzero")


def table() -> str:
    """The table of ratios for all sizes."""
    rows = [row for size in SIZES for measure in (ema, rsi, macd, crossing) for row in measure(size)]
    missing = [name for name in ("talib", "vectorbt") if peer(name) is None]
    note = f"\n\nNot installed, left out: {', '.join(missing)}." if missing else ""
    headings = ("target", "candles", "ratio of", "measured", "wanted", "reached")
    return markdown(headings, [row.cells() for row in rows]) + note
