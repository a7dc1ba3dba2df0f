"""How far long work is: a bar with rate and time left on a terminal, else a line now and then. On stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from stratkernel.kernel.clock import Clock, SystemClock

_EVERY: Final = 10.0
"""Seconds between two lines where nobody watches."""


class Report(Protocol):
    """Told how many are finished, how many there are, and how many of the finished failed."""

    def __call__(self, finished: int, total: int, failed: int, /) -> None: ...


@contextmanager
def progress(what: str, *, quiet: bool = False, clock: Clock | None = None) -> Iterator[Report]:
    """Within, calls of what it gives are shown; `what` is counted, as "runs"."""
    if quiet:
        yield lambda _finished, _total, _failed: None
    elif sys.stderr.isatty():
        with _bar(what) as report:
            yield report
    else:
        yield _Lines(what, clock or SystemClock())


@contextmanager
def _bar(what: str) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, failed="", rate="")

        def report(finished: int, total: int, failed: int, /) -> None:
            speed = bar.tasks[0].speed
            bar.update(
                task,
                completed=finished,
                total=total,
                failed=f"{failed:,} failed" if failed else "",
                rate=f"{speed:,.0f}/s" if speed else "",
            )

        yield report


class _Lines:
    """A line on stderr every few seconds."""

    def __init__(self, what: str, clock: Clock) -> None:
        self._what = what
        self._clock = clock
        self._began = self._told = clock.monotonic()
        self._first: int | None = None

    def __call__(self, finished: int, total: int, failed: int, /) -> None:
        now = self._clock.monotonic()
        if self._first is None:
            self._first = finished
        if now - self._told < _EVERY:
            return
        self._told = now
        done = finished - self._first
        rate = done / (now - self._began)
        left = f", {(total - finished) / rate:,.0f} s left" if rate > 0 else ""
        trouble = f", {failed:,} failed" if failed else ""
        told = f"{finished:,} of {total:,} {self._what}, {rate:,.1f}/s{left}{trouble}"
        print(f"stratkernel: {told}", file=sys.stderr, flush=True)
