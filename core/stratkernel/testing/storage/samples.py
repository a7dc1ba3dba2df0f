"""Runs, signals and candles to be stored, and what to compare of them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.result import StrategyRun
from stratkernel.contracts.signals import SignalTable, SignalType
from stratkernel.contracts.storage import Storage
from stratkernel.contracts.stored import RunKind, RunRecord, StoredSignals
from stratkernel.contracts.timeframes import HOUR
from stratkernel.testing.candles import candles_from_close, random_walk

START: Final = 1_700_006_400_000_000  # 2023-11-15T00:00:00Z
STARTED: Final = datetime(2024, 3, 1, 12, tzinfo=UTC)
Event: TypeAlias = tuple[int, SignalType, float, float]
"""Hours after `START`, type, price, confidence."""


def made_run(
    number: int = 0,
    *,
    strategy_name: str = "calm",
    symbol: str = "TEST",
    timeframe: str = "1h",
    venue: str = "local",
    kind: RunKind = RunKind.RUN,
    data_hash: str = "d" * 64,
    **more: Any,
) -> RunRecord:
    """A run; runs of other numbers have other parameters and started a minute later each."""
    run = StrategyRun(
        strategy="test-made:calm",
        strategy_name=strategy_name,
        parameters={"period": 14 + number, "level": 0.1, "on": True, "names": ["a", "b"], "none": None},
        plugins={"test-made": "1.2", "stratkernel": "0.1"},
        venue=venue,
        symbol=symbol,
        timeframe=timeframe,
        origin=START,
        gaps={"policy": "continue", "max_gap": 0},
        extra_timeframes={"trend": "4h"},
        exits={"stop_loss": {"fraction": 0.02}},
    )
    costs = {"fill": "next_open", "fee_bps": 10.0, "initial_capital": 10_000.0}
    span = (START, START + 1000 * HOUR)
    options: dict[str, Any] = {
        "candles": 1000,
        "engine_version": "0.1.0",
        "started_at": STARTED + timedelta(minutes=number),
        "finished_at": STARTED + timedelta(minutes=number, seconds=1, microseconds=7),
        "metrics": {"total_return": 0.125, "trades": 3, "sharpe": None},
        "quality": {"signals": 3, "findings": [{"check": "order", "level": "warning"}]},
        "timings": {"compute": 0.01},
    }
    run_id = run.run_id(kind, data_hash=data_hash, span=span, costs=costs)
    return RunRecord(run_id, kind, run, data_hash, span, costs=costs, **options | more)


def made_signals(
    run: RunRecord, events: "int | Sequence[Event]", metadata: Mapping[str, Sequence[Any]] | None = None
) -> SignalTable:
    """Signals of a run: these, in order, or so many, in and out in turn."""
    if isinstance(events, int):
        sides = (SignalType.ENTRY_LONG, SignalType.EXIT_LONG)
        events = [(hour, sides[hour % 2], 100.0 + hour / 3, 1 / (1 + hour)) for hour in range(events)]
    hours = np.array([event[0] for event in events], dtype=np.int64)
    return SignalTable(
        run.signal_origin,
        hours,
        START + (hours + 1) * HOUR,
        np.array([event[1] for event in events], dtype=np.int8),
        np.array([event[2] for event in events], dtype=np.float64),
        np.array([event[3] for event in events], dtype=np.float64),
        (hours % 8).astype(np.uint8),
        {name: np.array(values) for name, values in (metadata or {}).items()},
    )


def made_candles(
    rows: int, *, start: int = START, seed: int = 0, timeframe: str = "1h", **more: Any
) -> Candles:
    """A random walk; `symbol`, `venue`, `calendar` and `marked` can be given."""
    return candles_from_close(random_walk(rows, seed), timeframe=timeframe, start=start, **more)


Row: TypeAlias = tuple[int, str, int, int, float, float, str, int]


def rows_of(stored: StoredSignals) -> list[Row]:
    """Signals by time, run, type and revision: runs of one instant have no order to compare."""
    runs = [str(record.run_id) for record in stored.runs]
    columns = zip(
        stored.timestamp.tolist(),
        [runs[number] for number in stored.run.tolist()],
        stored.types.tolist(),
        stored.revision.tolist(),
        stored.price.tolist(),
        stored.confidence.tolist(),
        [status.value for status in stored.status],
        stored.flags.tolist(),
        strict=True,
    )
    return sorted(columns)


def bits(candles: Candles) -> tuple[Any, ...]:
    """All of candles that is stored, to be compared bit for bit."""
    names = candles.columns.names
    marked = candles.marked if candles.marked is not None else np.zeros(len(candles), dtype=bool)
    return (
        candles.symbol, str(candles.timeframe), candles.venue, candles.calendar, candles.omits_empty,
        candles.open_time.tobytes(), candles.close_time.tobytes(), marked.tobytes(),
        {name: candles.columns[name].tobytes() for name in sorted(names)},
    )  # fmt: skip


def everything(storage: Storage) -> dict[str, Any]:
    """All that a storage holds, in a form in which two can be compared."""
    from stratkernel.contracts.stored import SignalQuery

    runs = storage.strategies.runs()
    series = [stored.series for stored in storage.candles.series()]
    return {
        "runs": sorted(runs, key=lambda run: str(run.run_id)),
        "signals": rows_of(storage.strategies.signals(SignalQuery(current=False))),
        "current": rows_of(storage.strategies.signals()),
        "series": storage.candles.series(),
        "candles": {each: bits(storage.candles.read(each)) for each in series},
        "quarantine": sorted(storage.candles.quarantined(), key=repr),
        "checkpoints": {run.run_id: storage.checkpoints.load(run.run_id) for run in runs},
    }


def ids_of(runs: Sequence[RunRecord]) -> list[UUID]:
    return [run.run_id for run in runs]
