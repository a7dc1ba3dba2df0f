"""The nodes of one run in a cache that several strategies share."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from stratkernel.contracts.candles import Candles
from stratkernel.engine.graph_nodes import Node
from stratkernel.engine.indicator_graph import NodeLookup
from stratkernel.engine.output_checks import Column
from stratkernel.engine.timeframes.plan import VENUE, TimeframePlan

if TYPE_CHECKING:
    from stratkernel.engine.indicator_cache import IndicatorCache


class CachedNodes:
    """Looks up a run's nodes by the hash of its candles and of what else they are computed from."""

    def __init__(self, cache: "IndicatorCache", candles: Candles, plan: TimeframePlan) -> None:
        self._cache = cache
        self._plan = plan
        self._data = candles.data_hash, plan.base.name
        self._asked = self._computed = 0

    def lookup(self, start: int, stop: int) -> NodeLookup:
        """The look-up for rows `start` to `stop`, which are folded from their own first row on."""

        def look_up(node: Node, compute: Callable[[], Mapping[str, Column]]) -> Mapping[str, Column]:
            self._asked += 1

            def counted() -> Mapping[str, Column]:
                self._computed += 1
                return compute()

            data = (*self._data, start, stop, self._higher(node.timeframe))
            return self._cache.get_or_compute(data, (node.key, node.item.cls), counted)

        return look_up

    @property
    def counts(self) -> dict[str, float]:
        """How many nodes were found and how many computed."""
        return {"cache_hits": self._asked - self._computed, "cache_misses": self._computed}

    def _higher(self, timeframe: str | None) -> str | None:
        """What the candles of a higher timeframe are made of, beside the base candles."""
        if timeframe is None or self._plan.sources.get(timeframe) != VENUE:
            return None
        return self._plan.venue_candles[timeframe].data_hash
