"""Four processes that write the same rows at once: run as a program with the URL.

Prints as JSON how each ended: 0 where nothing failed.
"""

import json
import os
import sys

from storage_steps import open_url
from stratkernel import Storage, StorageBusyError
from stratkernel.testing.storage.samples import made_candles, made_run, made_signals

RUNS = [made_run(number) for number in range(2)]
WRITERS, PARTS, ROWS = 4, 10, 600
CANDLES = made_candles(PARTS * ROWS)
SIGNALS = [made_signals(run, PARTS * 20) for run in RUNS]


def write_parts(storage: Storage, worker: int) -> int:
    """Write the parts that the others write too, in an order of its own; gives how often it failed."""
    failed = 0
    for step in range(PARTS):
        part = (step * (1, 3, 7, 9)[worker] + worker) % PARTS
        try:
            storage.candles.write(CANDLES.slice(part * ROWS, part * ROWS + ROWS))
            for run, signals in zip(RUNS[:: (-1) ** worker], SIGNALS[:: (-1) ** worker], strict=True):
                storage.strategies.save_run(run, signals.select(slice(part * 20, part * 20 + 20)))
        except StorageBusyError:
            failed += 1
    return failed


def main(url: str) -> None:
    ready, go = os.pipe()
    children = []
    for worker in range(WRITERS):
        child = os.fork()
        if child == 0:
            os.close(go)
            os.read(ready, 1)  # until the pipe is closed, when all are there
            with open_url(url) as storage:
                failed = write_parts(storage, worker)
            os._exit(min(failed, 100))
        children.append(child)
    os.close(ready)
    os.close(go)
    sys.stdout.write(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]))


if __name__ == "__main__":
    main(sys.argv[1])
