"""Writes of each kind, one after the other, for tests of what is left when one of them fails."""

from collections.abc import Callable
from typing import Any

from stratkernel import RunKind, SignalType, Storage, StorageBackend
from stratkernel.contracts.stored import Checkpoint
from stratkernel.testing.storage.candles import changed
from stratkernel.testing.storage.samples import (
    START,
    STARTED,
    everything,
    made_candles,
    made_run,
    made_signals,
)
from stratkernel_database.backend import PostgresqlBackend, SqliteBackend

Step = Callable[[Storage], object]

RUN = made_run(kind=RunKind.LIVE)
OTHER = made_run(1)
REVISED = made_signals(RUN, [(0, SignalType.ENTRY_LONG, 77.0, 0.5), (7, SignalType.EXIT_LONG, 78.0, 0.5)])


def save(storage: Storage) -> object:
    return storage.strategies.save_run(RUN, made_signals(RUN, 3, {"why": list("abc")}))


def live_candle(storage: Storage) -> object:
    """What a live run does at each candle: all of it together."""
    with storage.unit_of_work():
        storage.candles.write(made_candles(5))
        storage.strategies.add_signals(RUN.run_id, REVISED)
        storage.checkpoints.save(Checkpoint(RUN.run_id, START, b"state", STARTED))
    return None


def overwrite(storage: Storage) -> object:
    return storage.candles.write(changed(made_candles(8), 1, "volume", 3.5), overwrite=True)


def retract(storage: Storage) -> object:
    return storage.strategies.retract_signals(RUN.run_id, REVISED)


def delete(storage: Storage) -> object:
    storage.strategies.delete_runs([RUN.run_id])
    return None


STEPS: tuple[Step, ...] = (save, live_candle, overwrite, retract, delete)
UNITS = {live_candle}
"""Steps of several writes: what fails within is not tried again by the storage."""


def backend_of(url: str) -> type[StorageBackend]:
    return SqliteBackend if url.startswith("sqlite") else PostgresqlBackend


def open_url(url: str) -> Storage:
    return backend_of(url).open(url)


def states_of(storage: Storage, steps: tuple[Step, ...] = STEPS) -> list[dict[str, Any]]:
    """What is stored before the first step and after each, when nothing fails."""
    states = [everything(storage)]
    for step in steps:
        step(storage)
        states.append(everything(storage))
    return states
