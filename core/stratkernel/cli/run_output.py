"""What a run prints."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from stratkernel.contracts.result import StrategyResult
from stratkernel.contracts.signals import SignalFlag
from stratkernel.contracts.timeframes import iso
from stratkernel.engine.performance import Performance
from stratkernel.engine.run_record import quality_of

_LAST_SIGNALS: Final = 5
_PERCENT: Final = {
    "total_return",
    "cagr",
    "volatility",
    "max_drawdown",
    "exposure",
    "win_rate",
    "signal_accuracy",
}


def run_document(result: StrategyResult, performance: Performance) -> dict[str, Any]:
    """The run as one JSON object; undefined metrics are null."""
    run = result.run
    return {
        "strategy": run.strategy_name,
        "parameters": dict(run.parameters),
        "symbol": run.symbol,
        "timeframe": run.timeframe,
        "candles": len(result.candles),
        "data_hash": result.data_hash,
        "signals": [
            {
                "timestamp": signal.timestamp,
                "type": signal.type.name,
                "price": signal.price,
                "confidence": signal.confidence,
                "id": signal.id,
                "flags": SignalFlag.names_of(signal.flags),
            }
            for signal in result.signals
        ],
        "trades": performance.trades.to_dicts(),
        "metrics": dict(performance.metrics),
        "quality": quality_of(result, performance),
        "plugins": dict(run.plugins),
        "config_hash": run.config_hash,
        "costs": performance.costs.to_dict(),
    }


def print_report(result: StrategyResult, performance: Performance) -> None:
    """The run for a reader: what ran over what, the metrics, what to know of them, the last signals."""
    from rich.console import Console
    from rich.table import Table

    run, candles = result.run, result.candles
    console = Console(highlight=False, markup=False)
    parameters = ", ".join(f"{name}={value}" for name, value in run.parameters.items())
    console.print(f"{run.strategy_name} ({parameters}) on {run.symbol} {run.timeframe}", soft_wrap=True)
    console.print(
        f"{len(candles):,} candles, {iso(int(candles.open_time[0]))} to {iso(int(candles.close_time[-1]))}, "
        f"calendar {candles.calendar} ({performance.days_per_year} days a year); "
        f"signals: {len(result.signals):,}, {result.quality['status']}",
        soft_wrap=True,
    )
    table = Table("metric", "value", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for name, value in performance.metrics.items():
        table.add_row(name.replace("_", " "), format_metric(name, value))
    console.print(table)
    for note in quality_notes(quality_of(result, performance), performance.metrics):
        console.print(f"note: {note}", soft_wrap=True)
    _print_last_signals(console, result)


def failures_of(result: StrategyResult) -> list[str]:
    """What validators and observers raised; it changed nothing."""
    return [*result.quality.get("validator_failures", ()), *result.quality.get("observer_failures", ())]


def quality_notes(quality: Mapping[str, Any], metrics: Mapping[str, float | int | None]) -> Iterator[str]:
    """What a reader of the numbers should know, by what `engine.run_record.quality_of` gave."""
    candles, flags = quality.get("candles", {}), quality.get("signals", {}).get("flags", {})
    if candles.get("missing"):
        yield f"{candles['missing']:,} candles are missing, in {candles['gaps']:,} gaps"
    if candles.get("outliers"):
        yield f"the close jumps to more than twice or less than half {candles['outliers']:,} times (a split?)"
    if flags.get("settling"):
        yield f"{flags['settling']:,} signals came before the indicators had settled"
    for finding in quality.get("findings", ()):
        yield f"{finding['severity']}: {finding['message']} ({finding['rule']})"
    undefined = [name for name, value in metrics.items() if value is None]
    flagged = quality.get("metrics", {})
    yield from (f"{name}: {text}" for name, text in flagged.items() if name not in undefined)


def _print_last_signals(console: Any, result: StrategyResult) -> None:
    count = len(result.signals)
    if not count:
        return
    console.print(f"\nlast {min(count, _LAST_SIGNALS)} of {count:,} signals")
    for signal in result.signals.select(slice(-_LAST_SIGNALS, None)):
        console.print(
            f"{signal.timestamp}  {signal.type.name:<11}  price {signal.price:.10g}  "
            f"confidence {signal.confidence:.2f}",
            soft_wrap=True,
        )


def format_metric(name: str, value: float | None) -> str:
    """A metric for a reader; a dash where it is undefined."""
    if value is None:
        return "-"
    if name in _PERCENT:
        return f"{value:.2%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
