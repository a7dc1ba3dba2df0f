"""Stored runs and signals as JSON objects and as cells of a table."""

from typing import TYPE_CHECKING, Any

from stratkernel.cli.config_support import values_line
from stratkernel.cli.run_saving import short_id
from stratkernel.contracts.signals import SignalFlag
from stratkernel.contracts.timeframes import iso

if TYPE_CHECKING:
    from datetime import datetime

    from stratkernel.contracts.stored import RunRecord, StoredSignal


def run_dict(record: "RunRecord") -> dict[str, Any]:
    """A run with all that is stored of it but its signals."""
    run = record.run
    return {
        "run_id": str(record.run_id),
        "kind": str(record.kind),
        "status": str(record.status),
        "strategy": run.strategy,
        "strategy_name": run.strategy_name,
        "parameters": dict(run.parameters),
        "venue": run.venue,
        "symbol": run.symbol,
        "timeframe": run.timeframe,
        "origin": iso(run.origin),
        "first": iso(record.span[0]),
        "last": iso(record.span[1]),
        "candles": record.candles,
        "signals": record.signal_count,
        "gaps": dict(run.gaps),
        "extra_timeframes": dict(run.extra_timeframes),
        "exits": dict(run.exits),
        "config_hash": run.config_hash,
        "data_hash": record.data_hash,
        "plugins": dict(run.plugins),
        "engine_version": record.engine_version,
        "costs": dict(record.costs),
        "started_at": moment(record.started_at),
        "finished_at": None if record.finished_at is None else moment(record.finished_at),
        "timings": dict(record.timings),
        "starred": record.starred,
        "batch": record.batch,
        "error": record.error,
        "metrics": dict(record.metrics),
        "quality": dict(record.quality),
    }


def signal_dict(signal: "StoredSignal") -> dict[str, Any]:
    """A stored signal; `flags` as names."""
    return {
        "timestamp": signal.timestamp,
        "type": signal.type.name,
        "price": signal.price,
        "confidence": signal.confidence,
        "id": signal.id,
        "flags": SignalFlag.names_of(signal.flags),
        "status": str(signal.status),
        "revision": signal.revision,
        "metadata": dict(signal.metadata),
    }


def run_row(record: "RunRecord") -> tuple[str, ...]:
    """The cells of `RUN_HEADINGS`."""
    from stratkernel.cli.run_output import format_metric

    run, metrics = record.run, record.metrics
    return (
        short_id(record) + ("*" if record.starred else ""),
        moment(record.started_at)[:16].replace("T", " "),
        str(record.kind),
        str(record.status),
        run.strategy_name,
        run.symbol,
        run.timeframe,
        f"{record.signal_count:,}",
        format_metric("total_return", metrics.get("total_return")),
        format_metric("sharpe", metrics.get("sharpe")),
        format_metric("max_drawdown", metrics.get("max_drawdown")),
        values_line({name: value for name, value in run.parameters.items() if value is not None}),
    )


RUN_HEADINGS = (
    *("RUN", "STARTED (UTC)", "KIND", "STATUS", "STRATEGY", "SYMBOL", "TIMEFRAME", "SIGNALS"),
    *("RETURN", "SHARPE", "DRAWDOWN", "PARAMETERS"),
)


def moment(when: "datetime") -> str:
    """ISO 8601 in UTC."""
    from datetime import UTC

    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")
