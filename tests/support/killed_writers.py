"""Writers of a database that are killed: run as a program.

    killed_writers.py random URL KILLS     kill a writer at random times, again and again
    killed_writers.py each URL             kill a writer before each call of the driver, and after the last

One process forks a writer after the other and looks at what each left; it prints what it saw as JSON.
Forking is cheap here because this program has one thread and everything imported.
"""

import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable

import driver_faults
from driver_faults import Fault, FaultPlan
from storage_steps import STEPS, Step, open_url, states_of
from stratkernel import RunKind, SignalQuery, Storage
from stratkernel.contracts.stored import Checkpoint
from stratkernel.kernel.clock import SystemClock
from stratkernel.testing.storage.samples import (
    START,
    STARTED,
    everything,
    made_candles,
    made_run,
    made_signals,
)

RUN = made_run(kind=RunKind.LIVE)
KILLED = STEPS[:3]
BATCH, LAST = 20, 4_000
CANDLES = made_candles(LAST)
SIGNALS = made_signals(RUN, LAST)


def write_batch(storage: Storage, number: int) -> None:
    """Candles, signals and where the run stands, all together."""
    rows = slice(number * BATCH, (number + 1) * BATCH)
    with storage.unit_of_work():
        storage.candles.write(CANDLES.slice(rows.start, rows.stop))
        storage.strategies.add_signals(RUN.run_id, SIGNALS.select(rows))
        storage.checkpoints.save(Checkpoint(RUN.run_id, START + number, b"%d" % number, STARTED))


def write_for_ever(url: str, first: int, acknowledged: int) -> None:
    """Write batch after batch, and say so after each."""
    with open_url(url) as storage:
        for number in range(first, LAST // BATCH):
            write_batch(storage, number)
            os.write(acknowledged, b".")
        signal.pause()


def look(storage: Storage, seen: Counter[str]) -> int:
    """How many batches there are; counts what is not whole."""
    signals = storage.strategies.signals(SignalQuery(current=False))
    newest = storage.checkpoints.load(RUN.run_id)
    batches = 0 if newest is None else int(newest.state) + 1
    candles = storage.candles.series()[0].candles if storage.candles.series() else 0
    if len(signals) != batches * BATCH or candles != batches * BATCH:
        seen["partial"] += 1
    if storage.strategies.run(RUN.run_id).signal_count != len(signals):
        seen["miscounted"] += 1
    return batches


def fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    work()
    os._exit(0)


def kill_at_random(url: str, kills: int) -> None:
    chance, seen, clock = random.Random(5), Counter[str](), SystemClock()  # noqa: S311 - no secret depends on it
    with open_url(url) as storage:
        storage.strategies.save_run(RUN)
    written = 0
    for _ in range(kills):
        reading, acknowledging = os.pipe()
        child = fork(lambda first=written, say=acknowledging: write_for_ever(url, first, say))  # type: ignore[misc]
        os.close(acknowledging)
        told = len(os.read(reading, 1))  # it is at work
        clock.sleep(chance.random() * 0.02)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        seen["killed" if os.WIFSIGNALED(status) else "ended"] += 1
        while more := os.read(reading, 4096):
            told += len(more)
        os.close(reading)
        with open_url(url) as storage:
            found = look(storage, seen)
        seen["lost"] += max(0, written + told - found)
        seen["acknowledged"] += told
        written = found
    with open_url(url) as storage:
        storage.candles.write(CANDLES)  # the whole once more
        storage.strategies.add_signals(RUN.run_id, SIGNALS)
        write_batch(storage, LAST // BATCH - 1)
        seen["exact"] = (
            look(storage, seen) == LAST // BATCH
            and storage.candles.read(storage.candles.series()[0].series).data_hash == CANDLES.data_hash
            and storage.strategies.signals(SignalQuery(current=False)).ids == SIGNALS.ids()
        )
    sys.stdout.write(json.dumps(seen))


def kill_at_each_call(url: str) -> None:
    seen, plan = Counter[str](), FaultPlan()
    with open_url(url) as storage:
        states = states_of(storage, KILLED)
        _go_back(storage, 0)
    for number, step in enumerate(KILLED):
        last = 0
        while _write_and_die(url, plan, step, last + 1, driver_faults.kill):
            seen["killed"] += 1
            last += 1
            with open_url(url) as storage:
                seen["partial"] += everything(storage) != states[number]
        with open_url(url) as storage:
            seen["unfinished"] += everything(storage) != states[number + 1]
            _go_back(storage, number)
        seen["killed"] += _write_and_die(url, plan, step, last, driver_faults.kill_after)
        with open_url(url) as storage:
            seen["uncommitted"] += everything(storage) != states[number + 1]
    sys.stdout.write(json.dumps(seen))


def _write_and_die(url: str, plan: FaultPlan, step: Step, at: int, fault: Fault) -> bool:
    """Whether the writer died at that call; otherwise it came to its end."""

    def work() -> None:
        with driver_faults.driver_faults(plan), open_url(url) as storage:
            plan.arm(at, fault)
            step(storage)

    _, status = os.waitpid(fork(work), 0)
    return os.WIFSIGNALED(status)


def _go_back(storage: Storage, steps: int) -> None:
    storage.strategies.delete_runs([run.run_id for run in storage.strategies.runs()])
    for stored in storage.candles.series():
        storage.candles.delete(stored.series)
    for step in STEPS[:steps]:
        step(storage)


if __name__ == "__main__":
    if sys.argv[1] == "random":
        kill_at_random(sys.argv[2], int(sys.argv[3]))
    else:
        kill_at_each_call(sys.argv[2])
