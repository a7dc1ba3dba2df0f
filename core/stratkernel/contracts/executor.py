"""Where batch work runs."""

import concurrent.futures
from abc import ABC, abstractmethod
from typing import ClassVar, Self


class Executor(concurrent.futures.Executor, ABC):
    """A `concurrent.futures.Executor` that is chosen by the scheme of a URL.

    `workers` is how many tasks run at a time. When a worker dies, the futures of its tasks may fail with
    `BrokenExecutor`: the executor is then useless, and whoever uses it opens another and asks again.
    """

    name: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]]
    workers: int = 1

    @classmethod
    @abstractmethod
    def from_url(cls, url: str) -> Self:
        """Connect to, or start, the workers of a URL.

        Raises:
            UsageError: the URL is not of this executor's form.
            StratkernelError: nobody answers there.
        """

    def terminate(self) -> None:
        """Let go of everything at once, running tasks too."""
        self.shutdown(wait=False, cancel_futures=True)
