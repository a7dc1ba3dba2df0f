"""What a run prints."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from stratkernel.contracts.signals import SignalFlag
from stratkernel.contracts.timeframes import iso
from stratkernel.engine.run_record import AnyPerformance, AnyResult, quality_of

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


def run_document(result: AnyResult, performance: AnyPerformance) -> dict[str, Any]:
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
        "exits": dict(run.exits),
    }


def print_report(result: AnyResult, performance: AnyPerformance) -> None:
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
    for name, text in quality_lines(result.quality):
        console.print(f"{name}: {text}", soft_wrap=True)
    for note in quality_notes(quality_of(result, performance), performance.metrics):
        console.print(f"note: {note}", soft_wrap=True)
    _print_last_signals(console, result)


def failures_of(result: AnyResult) -> list[str]:
    """What validators and observers raised; it changed nothing."""
    return [*result.quality.get("validator_failures", ()), *result.quality.get("observer_failures", ())]


def quality_lines(quality: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """How good signals are, as names and texts; nothing for what is not known of a run."""
    if quality.get("score") is not None:
        rules = ", ".join(f"{count:,} {rule}" for rule, count in quality.get("rules", {}).items())
        yield "score", f"{quality['score']:.0f} of 100" + (f" ({rules})" if rules else "")
    signals = quality.get("signals", {})
    median = (signals.get("spacing") or {}).get("median")
    if signals.get("per_1000") is not None:
        spacing = "" if median is None else f", half of them {median:,.0f} or more apart"
        yield "signals", f"{signals['per_1000']:.1f} per 1,000 candles{spacing}"
    for bars, found in quality.get("horizons", {}).items():
        if found.get("accuracy") is not None:
            low, high = found["wilson_low"], found["wilson_high"]
            base = found.get("base_rate")
            against = "" if base is None else f", base rate {base:.1%}"
            yield f"accuracy after {bars}", f"{found['accuracy']:.1%} ({low:.1%} to {high:.1%}{against})"
    chance = quality.get("permutation") or {}
    if chance.get("p_value") is not None:
        yield "p-value", f"{chance['p_value']:.3f} against {chance['permutations']:,} times random entries"


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


def _print_last_signals(console: Any, result: AnyResult) -> None:
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
