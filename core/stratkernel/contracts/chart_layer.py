"""What plugins draw on the dashboard's chart."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from stratkernel.contracts.strategy import StrategyData


class ChartLayer(ABC):
    """Turns visible rows into plotly traces, as plain dicts."""

    name: ClassVar[str]

    @abstractmethod
    def traces(self, data: StrategyData) -> Sequence[Mapping[str, Any]]:
        """The traces of the rows given."""
