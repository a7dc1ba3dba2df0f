"""Whether a strategy says the same of the same candles."""

from collections.abc import Callable
from typing import Any

import numpy as np

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalTable
from stratkernel.contracts.strategy import BaseStrategy
from stratkernel.contracts.timeframes import iso
from stratkernel.engine.run import run_strategy
from stratkernel.kernel.manager import Kernel


def check_deterministic(
    kernel: Kernel, create: Callable[[], BaseStrategy[Any]], candles: Candles, *, runs: int = 2
) -> None:
    """Run new instances of a strategy over the same candles and compare their signals, bit for bit.

    Finds use of the time, of random numbers and of memory that outlives an instance. An order that
    differs from process to process only, such as that of a set of texts, it cannot find.

    Raises:
        AssertionError: two runs differ; names the first difference.
    """
    first = run_strategy(kernel, create(), candles).signals
    for _ in range(1, runs):
        again = run_strategy(kernel, create(), candles).signals
        difference = _first_difference(first, again)
        if difference:
            raise AssertionError(f"strategy '{first.about.strategy}' is not deterministic: {difference}")


def _first_difference(first: SignalTable, again: SignalTable) -> str:
    if len(first) != len(again):
        return f"{len(first)} signals, then {len(again)}"
    columns = {"candle": "timestamp", "type": "types", "confidence": "confidence"}
    pairs = {what: (getattr(first, name), getattr(again, name)) for what, name in columns.items()}
    if set(first.metadata) != set(again.metadata):
        return f"metadata {sorted(first.metadata)}, then {sorted(again.metadata)}"
    pairs |= {f"metadata '{name}'": (column, again.metadata[name]) for name, column in first.metadata.items()}
    for what, (before, after) in pairs.items():
        same = np.array([a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True)], dtype=bool)
        if not same.all():
            row = int(np.argmin(same))
            when = iso(int(first.timestamp[row]))
            return f"the {what} of the signal at {when} was {before[row]}, then {after[row]}"
    return ""
