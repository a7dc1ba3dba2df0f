"""Where batch work runs."""

import concurrent.futures
from abc import ABC, abstractmethod
from typing import ClassVar, Self


class Executor(concurrent.futures.Executor, ABC):
    """A `concurrent.futures.Executor` that is chosen by the scheme of a URL."""

    name: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]]

    @classmethod
    @abstractmethod
    def from_url(cls, url: str) -> Self:
        """Connect to, or start, the workers of a URL."""
