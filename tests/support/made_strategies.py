"""Strategies and indicators made in a test, and runs of them over made candles."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from plugin_modules import plugin_module
from stratkernel import (
    BaseIndicator,
    BaseStrategy,
    Candles,
    IndicatorRequest,
    Kernel,
    Signals,
    SignalType,
    StrategyResult,
    WindowIndicator,
    run_strategy,
)
from stratkernel.testing import candles_from_close, random_walk

Behaviour = Callable[..., Any]


def candles(rows: int = 60, seed: int = 1) -> Candles:
    return candles_from_close(random_walk(rows, seed))


def strategy_doing(
    calculate: Behaviour,
    *,
    name: str = "made",
    window: int | None = 1,
    needs: Mapping[str, IndicatorRequest] | None = None,
) -> type[BaseStrategy[Any]]:
    """A strategy whose `calculate(data)` is this function."""

    class Made(BaseStrategy):
        def get_required_indicators(self) -> Mapping[str, IndicatorRequest]:
            return needs or {}

        def calculate(self, data: Any) -> Any:
            return calculate(data)

    Made.name, Made.window = name, window
    return Made


def fold_doing(advance: Behaviour, *, name: str = "made") -> type[BaseStrategy[Any]]:
    """A strategy with memory whose `advance(data, state)` is this function."""

    class Made(BaseStrategy):
        def advance(self, data: Any, state: Any) -> Any:
            return advance(data, state)

    Made.name = name
    return Made


def indicator_doing(
    advance: Behaviour, *, name: str = "made", events: bool = False
) -> type[BaseIndicator[Any]]:
    """An indicator whose `advance(columns, state)` is this function."""

    class Made(BaseIndicator):
        def lookback(self) -> int:
            return 0

        def initial_state(self) -> Any:
            return {}

        def advance(self, columns: Any, state: Any) -> Any:
            return advance(columns, state)

    Made.name, Made.outputs = name, (name,)
    Made.event_outputs = frozenset({name} if events else ())
    return Made


def window_indicator_doing(calculate: Behaviour, *, name: str = "made") -> type[WindowIndicator[Any]]:
    """An indicator whose `calculate(columns)` is this function."""

    class Made(WindowIndicator):
        def lookback(self) -> int:
            return 2

        def calculate(self, columns: Any) -> Any:
            return calculate(columns)

    Made.name, Made.outputs = name, (name,)
    return Made


def every_rise(data: Any) -> Signals:
    """A well-behaved rule: in where the close is above the open, with a confidence and a figure."""
    body = (data["close"] - data["open"]) / data["open"]
    rows = np.flatnonzero(body > 0)
    return Signals(
        rows,
        SignalType.ENTRY_LONG,
        confidence=body[rows] / (body[rows] + 0.01),
        metadata={"body": body[rows]},
    )


def run(
    strategy: type[BaseStrategy[Any]], series: Candles | None = None, *, kernel: Kernel | None = None
) -> StrategyResult:
    """Run a strategy of the plugin `acme-things 1.2` over candles."""
    kernel = kernel or Kernel(discover=False)
    if kernel.registry.item_of(_strategies(), strategy) is None:
        module = plugin_module(strategy.name, stratkernel_strategies=lambda: [strategy])
        kernel.register(module, f"acme_{strategy.name}", distribution="acme-things", version="1.2")
    return run_strategy(kernel, strategy(), candles() if series is None else series)


def run_indicator(indicator: type[BaseIndicator[Any]], series: Candles | None = None) -> StrategyResult:
    """Run a strategy that reads an indicator of the plugin `acme-things 1.2`."""
    kernel = Kernel(discover=False)
    module = plugin_module("indicators", stratkernel_indicators=lambda: [indicator])
    kernel.register(module, "acme_indicators", distribution="acme-things", version="1.2")
    reader = strategy_doing(
        lambda data: Signals.none(), name="reader", needs={"x": IndicatorRequest(indicator.name, {})}
    )
    return run(reader, series, kernel=kernel)


def signal_bytes(result: StrategyResult) -> dict[str, bytes]:
    """Every column of the signals, to the bit."""
    table = result.signals
    columns = {
        name: getattr(table, name) for name in ("rows", "timestamp", "types", "price", "confidence", "flags")
    }
    columns |= {f"metadata {name}": column for name, column in table.metadata.items()}
    return {name: column.tobytes() for name, column in columns.items()}


def _strategies() -> Any:
    from stratkernel.kernel.kinds import STRATEGY

    return STRATEGY
