"""The executor `local`: processes of this machine, one for each processor."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, ClassVar, Final, ParamSpec, Self, TypeVar

from stratkernel.contracts.executor import Executor
from stratkernel.kernel.errors import UsageError

_MOST: Final = 512

P = ParamSpec("P")
T = TypeVar("T")


class LocalExecutor(Executor):
    """`local` for as many processes as there are processors, `local://4` for four.

    Processes are spawned, never forked, so that they are the same on every platform and with threads.
    Each computes in one thread, leaves interrupts to its parent and ends with it.
    """

    name: ClassVar[str] = "local"
    schemes: ClassVar[tuple[str, ...]] = ("local",)

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._context = _RememberingContext()
        self._pool = ProcessPoolExecutor(workers, mp_context=self._context, initializer=_begin_worker)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Workers of a URL; none is started before there is work.

        Raises:
            UsageError: what follows `local://` is no number of processes.
        """
        text = url.partition("://")[2].rstrip("/")
        if not text:
            return cls(processors())
        if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= _MOST:
            raise UsageError(
                f"executor {url!r}: expected local, or local://N with N from 1 to {_MOST} processes"
            )
        return cls(int(text))

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)

    def terminate(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in self._context.started:
            process.kill()


class _RememberingContext(SpawnContext):
    """Knows the processes that it started: a pool does not tell them."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802 - its name
        process = _QuietProcess(*args, **kwargs)
        self.started.append(process)
        return process


class _QuietProcess(SpawnProcess):
    """Starts deaf to Ctrl-C, which reaches the whole group: it would end in a traceback while it imports."""

    def start(self) -> None:
        if not hasattr(signal, "pthread_sigmask"):
            super().start()
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # processes inherit it
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _begin_worker() -> None:
    os.environ["NUMBA_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import numpy as np  # noqa: F401 - limits bind to libraries that are loaded
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for ever: it holds both ends of its queue."""
    parent: Any = multiprocessing.parent_process()
    wait([parent.sentinel])
    os._exit(1)
