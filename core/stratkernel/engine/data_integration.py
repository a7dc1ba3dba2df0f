"""From where candles lie to a strategy's result: all timeframes are loaded or made, and aligned."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from stratkernel.contracts.admission import BadCandles
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.result import StrategyResult
from stratkernel.contracts.source import SourceRequest
from stratkernel.contracts.stored import Series
from stratkernel.contracts.strategy import BaseStrategy
from stratkernel.contracts.timeframes import Timeframe
from stratkernel.engine.candle_loading import load_source
from stratkernel.engine.factory import IndicatorFactory, StrategyFactory
from stratkernel.engine.run import run_strategy
from stratkernel.engine.run_setup import RunOptions
from stratkernel.engine.stream import StrategyStream
from stratkernel.engine.timeframes.plan import VENUE, is_multiple
from stratkernel.engine.timeframes.resampling import resample_candles
from stratkernel.kernel.clock import Clock, SystemClock
from stratkernel.kernel.errors import UsageError
from stratkernel.kernel.manager import Kernel

if TYPE_CHECKING:
    from stratkernel.contracts.storage import Storage
    from stratkernel.engine.indicator_cache import IndicatorCache

CandleOrigin: TypeAlias = Candles | SourceRequest | Series
"""Candles themselves, the location of a source (a file), or a series of the storage."""


class StrategyDataIntegrator:
    """Brings a strategy and its candles together, one strategy at a time.

    Candles come from a source or from `storage`; a stored series that is missing is resampled from a lower
    one of the same symbol and venue. Higher timeframes are resampled from the strategy's own candles, or are
    the venue's own where the options say so. Strategies that share a `cache` compute each indicator once.
    """

    def __init__(
        self,
        kernel: Kernel,
        *,
        storage: "Storage | None" = None,
        cache: "IndicatorCache | None" = None,
        bad_candles: BadCandles = BadCandles.REJECT,
        clock: Clock | None = None,
    ) -> None:
        self._kernel = kernel
        self._storage = storage
        self._cache = cache
        self._bad_candles = bad_candles
        self._clock = clock or SystemClock()

    def run(
        self,
        strategy: BaseStrategy[Any],
        origin: CandleOrigin,
        options: RunOptions | None = None,
        *,
        venue_candles: Mapping[str, CandleOrigin] | None = None,
    ) -> StrategyResult:
        """A strategy's signals over candles, validated; see `run_strategy`.

        `venue_candles` says where the venue's own candles of higher timeframes are; for a stored series they
        are looked for beside it.

        Raises:
            UnknownNameError: the storage has no such series, nor a lower one that it can be made of.
            UsageError: a timeframe cannot be made of the candles, or it is not said where they are.
            DataError: candles cannot be read, are bad, or none lies in the range.
            PluginError: code of a plugin failed or broke its contract.
        """
        options = options or RunOptions()
        began = self._clock.monotonic()
        candles = self.candles(origin)
        own = {
            name: self._venue_candles(name, origin, venue_candles or {})
            for name in self.higher_timeframes(strategy, candles.timeframe)
            if options.extra_timeframes.get(name) == VENUE
        }
        loaded = self._clock.monotonic()
        result = run_strategy(
            self._kernel,
            strategy,
            candles,
            options,
            clock=self._clock,
            venue_candles=own,
            cache=self._cache,
        )
        return dataclasses.replace(result, timings={"loading": loaded - began, **result.timings})

    def candles(self, origin: CandleOrigin) -> Candles:
        """The candles of an origin; raises as `run` does."""
        if isinstance(origin, Candles):
            return origin
        if isinstance(origin, SourceRequest):
            now = self._clock.utc_now()
            return load_source(self._kernel, origin, now=now, policy=self._bad_candles)[0]
        return self._stored(origin, may_resample=True)

    def higher_timeframes(self, strategy: BaseStrategy[Any], base: Timeframe) -> tuple[str, ...]:
        """The timeframes that a strategy reads beside that of its candles."""
        item = StrategyFactory(self._kernel).item(type(strategy))
        stream = StrategyStream(strategy, item, IndicatorFactory(self._kernel))
        return tuple(name for name in stream.graph.layers if name != base.name)

    def _venue_candles(self, name: str, origin: CandleOrigin, given: Mapping[str, CandleOrigin]) -> Candles:
        if name in given:
            return self.candles(given[name])
        if isinstance(origin, Series):
            return self._stored(dataclasses.replace(origin, timeframe=name), may_resample=False)
        raise UsageError(
            f"the venue's own candles of {name} are asked for; say where they are (venue_candles), "
            "or let them be resampled"
        )

    def _stored(self, series: Series, *, may_resample: bool) -> Candles:
        if self._storage is None:
            raise UsageError(f"candles of {series} are asked for by name; give the integrator a storage")
        wanted = Timeframe(series.timeframe)
        stored = [
            each.series
            for each in self._storage.candles.series(symbol=series.symbol, venue=series.venue)
            if each.candles
        ]
        lower = [
            each
            for each in stored
            if may_resample and each != series and is_multiple(wanted, Timeframe(each.timeframe))
        ]
        if series in stored or not lower:
            return self._storage.candles.read(series)
        nearest = max(lower, key=lambda each: Timeframe(each.timeframe).approximate_micros)
        return resample_candles(self._storage.candles.read(nearest), wanted)
