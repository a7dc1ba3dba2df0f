"""Where runs, signals and candles are kept."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar


class StorageBackend(ABC):
    """A storage back-end, chosen by the scheme of a database URL."""

    name: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def open(self, url: str) -> Any:
        """Connect to the database of a URL."""
