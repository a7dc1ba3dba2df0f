"""The executor `dask`: the workers of a Dask cluster that somebody started."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ClassVar, Final, ParamSpec, Self, TypeVar
from urllib.parse import urlsplit

from stratkernel.contracts.executor import Executor
from stratkernel.kernel.errors import StratkernelError, UsageError, describe

_PATIENCE: Final = 10.0
"""Seconds that a scheduler has to answer."""
_RESTART: Final = 1.0

log: Final = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class DaskExecutor(Executor):
    """`dask://HOST:PORT`, the address of a scheduler.

    Its workers need stratkernel and the same plugins, and must be able to read the candles by the path or
    database URL that the tasks carry.
    """

    name: ClassVar[str] = "dask"
    schemes: ClassVar[tuple[str, ...]] = ("dask",)

    def __init__(self, client: Any) -> None:
        self._client = client
        # two tasks of equal arguments are two tasks: Dask would make one of them
        self._executor: Any = client.get_executor(pure=False)
        self.workers = max(1, len(client.scheduler_info()["workers"]))

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Connect to a scheduler.

        Raises:
            UsageError: no host and port, or `distributed` is not installed.
            StratkernelError: no scheduler answers, or it has no workers.
        """
        parts = urlsplit(url)
        try:
            place = (parts.hostname, parts.port)
        except ValueError:
            place = (None, None)
        if not all(place):
            raise UsageError(f"executor {url!r}: expected dask://HOST:PORT, the address of a scheduler")
        try:
            from distributed import Client
        except ImportError:
            raise UsageError('dask:// needs distributed; try: pip install "stratkernel[dask]"') from None
        try:
            connect: Any = Client
            client = connect(f"tcp://{place[0]}:{place[1]}", timeout=_PATIENCE, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise StratkernelError(
                f"no Dask scheduler answers at {place[0]}:{place[1]} ({describe(error)}); start one with: "
                "dask scheduler"
            ) from error
        if not client.scheduler_info()["workers"]:
            client.close()
            raise StratkernelError(
                f"the Dask scheduler at {place[0]}:{place[1]} has no workers; start some with: "
                f"dask worker tcp://{place[0]}:{place[1]} --nthreads 1"
            )
        return cls(client)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = self._executor.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._executor.shutdown(wait=wait and not cancel_futures)
        self._client.close()

    def terminate(self) -> None:
        """Start those workers anew that are at work for this executor: nothing else ends a task."""
        try:
            mine = set(self._client.futures)
            at_work = [place for place, keys in self._client.processing().items() if mine.intersection(keys)]
            self._executor.shutdown(wait=False)
            if at_work:
                self._client.restart_workers(at_work, timeout=_RESTART, raise_for_error=False)
        except (OSError, TimeoutError, RuntimeError, ValueError) as error:  # gone, or without nannies
            log.warning("workers of %s were not started anew: %s", self._client, describe(error))
        finally:
            self._client.close(timeout=_RESTART)
