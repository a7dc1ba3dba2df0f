"""Any sequence of calls gives the same on a storage as on the one in memory."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.retention import RetentionPolicy, RetentionRule
from stratkernel.contracts.signals import SignalTable, SignalType
from stratkernel.contracts.storage import Storage
from stratkernel.contracts.stored import (
    Checkpoint,
    QuarantinedCandle,
    RunKind,
    RunStatus,
    Series,
    SignalQuery,
    SignalStatus,
    WinRule,
)
from stratkernel.kernel.errors import StratkernelError
from stratkernel.testing.memory_storage import MemoryStorage
from stratkernel.testing.storage.candles import changed
from stratkernel.testing.storage.samples import (
    START,
    STARTED,
    everything,
    made_candles,
    made_run,
    made_signals,
)
from stratkernel.testing.storage.statistics import assert_same

EXAMPLES, STEPS = 8, 20
KINDS = (RunKind.RUN, RunKind.SWEEP, RunKind.LIVE)
RUNS = [made_run(number, symbol=("A", "b")[number % 2], kind=KINDS[number % 3]) for number in range(4)]
NOW = STARTED + timedelta(hours=1)

a_run = st.sampled_from(RUNS)
a_series = st.sampled_from([Series("A", "1h"), Series("b", "1h")])
some_hours = st.lists(st.integers(0, 6), max_size=4, unique=True).map(sorted)
an_hour = st.integers(0, 6)


class _AbandonedError(Exception):
    """Ends a unit of work."""


class _Comparison(RuleBasedStateMachine):
    """Does each step to both storages and compares what they give and what they hold."""

    storage: Storage

    def __init__(self) -> None:
        super().__init__()
        self.memory = MemoryStorage()

    @initialize()
    def clear(self) -> None:
        runs = self.storage.strategies.runs()
        self.storage.strategies.delete_runs([run.run_id for run in runs])
        for stored in self.storage.candles.series():
            self.storage.candles.delete(stored.series)
        for bad in self.storage.candles.quarantined():
            self.storage.candles.delete(bad.series)

    def _both(self, call: Callable[[Storage], Any]) -> None:
        expected = _outcome(call, self.memory)
        assert _outcome(call, self.storage) == expected

    @rule(
        run=a_run, hours=some_hours, price=st.sampled_from([1.0, 2.5]),
        status=st.sampled_from(list(RunStatus)), trades=st.sampled_from([None, 3]),
    )  # fmt: skip
    def save(self, run: Any, hours: list[int], price: float, status: RunStatus, trades: int | None) -> None:
        record = replace(run, status=status, metrics={"trades": trades})
        self._both(lambda storage: storage.strategies.save_run(record, _signals(run, hours, price)))

    @rule(
        run=a_run,
        hours=some_hours,
        price=st.sampled_from([1.0, 2.5]),
        status=st.sampled_from(list(SignalStatus)),
    )
    def add(self, run: Any, hours: list[int], price: float, status: SignalStatus) -> None:
        if status is not SignalStatus.RETRACTED:
            signals = _signals(run, hours, price)
            self._both(lambda storage: storage.strategies.add_signals(run.run_id, signals, status))

    @rule(run=a_run, hours=some_hours)
    def retract(self, run: Any, hours: list[int]) -> None:
        signals = _signals(run, hours, 1.0)
        self._both(lambda storage: storage.strategies.retract_signals(run.run_id, signals))

    @rule(run=a_run, starred=st.booleans())
    def star(self, run: Any, *, starred: bool) -> None:
        self._both(lambda storage: storage.strategies.star(run.run_id, starred))

    @rule(runs=st.lists(a_run, max_size=2))
    def delete(self, runs: list[Any]) -> None:
        self._both(lambda storage: storage.strategies.delete_runs([run.run_id for run in runs]))

    @rule(
        limit=st.sampled_from(["max_runs", "max_signals"]), count=st.integers(0, 3), batch=st.integers(1, 3)
    )
    def clean(self, limit: str, count: int, batch: int) -> None:
        limits: dict[str, Any] = {limit: count}
        rules = {kind.value: RetentionRule(**limits) for kind in KINDS[:2]}

        def call(storage: Storage) -> Any:
            report = storage.clean(RetentionPolicy(rules), now=NOW, batch=batch)
            return set(report.runs), report.signals, dict(report.reasons)

        self._both(call)

    @rule(
        series=a_series, first=an_hour, count=st.integers(1, 5), other=st.booleans(), overwrite=st.booleans()
    )
    def write_candles(self, series: Series, first: int, count: int, *, other: bool, overwrite: bool) -> None:
        candles = _candles(series, first, count)
        if other:
            candles = changed(candles, 0, "close", 77.5)
        self._both(lambda storage: storage.candles.write(candles, overwrite=overwrite))

    @rule(series=a_series)
    def delete_candles(self, series: Series) -> None:
        self._both(lambda storage: storage.candles.delete(series))

    @rule(series=a_series, time=st.none() | an_hour, content=st.sampled_from(["x", "y"]))
    def quarantine(self, series: Series, time: int | None, content: str) -> None:
        bad = QuarantinedCandle(series, time, "nan", content, STARTED)
        self._both(lambda storage: storage.candles.quarantine([bad, bad]))

    @rule(run=a_run, time=an_hour, state=st.binary(max_size=3))
    def save_checkpoint(self, run: Any, time: int, state: bytes) -> None:
        checkpoint = Checkpoint(run.run_id, time, state, STARTED)
        self._both(lambda storage: storage.checkpoints.save(checkpoint))

    @rule(run=a_run, time=an_hour)
    def prune_checkpoints(self, run: Any, time: int) -> None:
        self._both(lambda storage: storage.checkpoints.prune(run.run_id, time))

    @rule(run=a_run, series=a_series, hours=some_hours, abandon=st.booleans(), nested=st.booleans())
    def work(self, run: Any, series: Series, hours: list[int], *, abandon: bool, nested: bool) -> None:
        """A unit of several writes, which is abandoned or not."""

        def call(storage: Storage) -> Any:
            try:
                with storage.unit_of_work():
                    storage.strategies.save_run(run, _signals(run, hours, 2.5))
                    if nested:
                        with storage.unit_of_work():
                            storage.candles.write(_candles(series, 0, 3), overwrite=True)
                    storage.checkpoints.save(Checkpoint(run.run_id, 3, b"unit", STARTED))
                    if abandon:
                        raise _AbandonedError
            except _AbandonedError:
                return "abandoned"
            return "done"

        self._both(call)

    @rule(bars=st.integers(1, 3), kinds=st.none() | st.just((SignalType.ENTRY_LONG,)))
    def compare_statistics(self, bars: int, kinds: tuple[SignalType, ...] | None) -> None:
        for win_rule in (None, WinRule("next_signal"), WinRule("horizon_bars", bars)):
            given, expected = (
                storage.strategies.statistics(["symbol", "day"], SignalQuery(types=kinds), win_rule)
                for storage in (self.storage, self.memory)
            )
            assert_same(given, expected)

    @invariant()
    def hold_the_same(self) -> None:
        assert everything(self.storage) == everything(self.memory)


def _outcome(call: Callable[[Storage], Any], storage: Storage) -> Any:
    try:
        return call(storage)
    except StratkernelError as error:
        return type(error).__name__


def _signals(run: Any, hours: list[int], price: float) -> SignalTable:
    kinds = (SignalType.ENTRY_LONG, SignalType.EXIT_LONG)
    return made_signals(run, [(hour, kinds[hour % 2], price + hour, 0.5) for hour in hours])


def _candles(series: Series, first: int, count: int) -> Candles:
    """A part of always the same candles, so that parts fit together."""
    whole = made_candles(12, start=START, seed=len(series.symbol), symbol=series.symbol)
    return replace(whole, marked=np.arange(12) % 5 == 0).slice(first, first + count)


class ComparisonWithMemory:
    """The check itself; `HYPOTHESIS_PROFILE` chooses how it looks."""

    def test_any_sequence_of_calls_gives_what_the_storage_in_memory_gives(self, storage: Storage) -> None:
        machine = type("Comparison", (_Comparison,), {"storage": storage})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],  # on a database, looking for a shorter example takes minutes
            ),
        )
