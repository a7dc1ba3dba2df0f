"""What a process needs to do tasks: a kernel, candles by reference, caches. Made once for each process."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePath
from typing import Final

import cachetools

from stratkernel.contracts.admission import BadCandles
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.source import SourceRequest
from stratkernel.contracts.storage import Storage
from stratkernel.contracts.stored import Series
from stratkernel.contracts.timeframes import Timeframe
from stratkernel.engine.candle_loading import load_source
from stratkernel.engine.data_integration import StrategyDataIntegrator
from stratkernel.engine.indicator_cache import IndicatorCache
from stratkernel.engine.storage import open_storage
from stratkernel.engine.timeframes.plan import is_multiple
from stratkernel.engine.timeframes.resampling import resample_candles
from stratkernel.kernel.clock import SystemClock
from stratkernel.kernel.errors import StratkernelError, UsageError
from stratkernel.kernel.manager import Kernel
from stratkernel.kernel.selection import PluginSelection

CANDLE_BYTES: Final = 256 * 1024 * 1024
INDICATOR_BYTES: Final = 256 * 1024 * 1024
_ROW_BYTES: Final = 56


@dataclass(frozen=True)
class CandleReference:
    """Where candles are: what travels to other processes in their place.

    `origin` is a file or another source, or a series of the database at the URL `database`. Either is made
    of a lower timeframe where it is not there itself.
    """

    origin: SourceRequest | Series
    database: str | None = field(default=None, repr=False)  # it may hold a password
    bad_candles: BadCandles = BadCandles.REJECT
    calendar: Calendar | None = None

    @property
    def series(self) -> Series:
        """Which series it is, as far as that is known before it is read."""
        if isinstance(self.origin, Series):
            return self.origin
        origin = self.origin
        symbol = origin.symbol or PurePath(origin.location).name.partition(".")[0]
        return Series(symbol, origin.timeframe or "", origin.options.get("venue", "local"))

    def __str__(self) -> str:
        if isinstance(self.origin, Series):
            return str(self.origin)
        wanted = (self.origin.location, self.origin.symbol, self.origin.timeframe)
        return " ".join(text for text in wanted if text)


class Workshop:
    """A kernel, and what it has loaded for its tasks: bounded in bytes, what was not used longest goes."""

    def __init__(self, kernel: Kernel, *, candle_bytes: int = CANDLE_BYTES) -> None:
        self.kernel: Final = kernel
        self.clock: Final = SystemClock()
        self._storages: dict[str, Storage] = {}
        self._candles: cachetools.LRUCache[str, Candles] = cachetools.LRUCache(
            candle_bytes, getsizeof=lambda candles: _ROW_BYTES * len(candles)
        )

    @cached_property
    def indicators(self) -> IndicatorCache:
        """Indicator columns that tasks over the same candles share."""
        return IndicatorCache(INDICATOR_BYTES)

    def candles(self, reference: CandleReference) -> Candles:
        """The candles of a reference.

        Raises:
            UnknownNameError, UsageError, DataError, StorageError: they cannot be had; says why.
        """
        key = _key(reference)
        known = self._candles.get(key)
        if known is None:
            known = self._load(reference)
            if _ROW_BYTES * len(known) <= self._candles.maxsize:
                self._candles[key] = known
        return known

    @property
    def held_bytes(self) -> int:
        """The memory of the candles that are kept."""
        return int(self._candles.currsize)

    def forget(self, reference: CandleReference) -> None:
        """Read these candles anew when they are next asked for."""
        self._candles.pop(_key(reference), None)

    def higher_candles(self, reference: CandleReference, timeframes: list[str]) -> Mapping[str, Candles]:
        """The venue's own candles of higher timeframes, which lie beside a stored series.

        Raises:
            UsageError: the reference is a file, which holds one timeframe only.
            UnknownNameError: they are not stored.
        """
        origin = reference.origin
        if not timeframes:
            return {}
        if not isinstance(origin, Series):
            raise UsageError(
                f"candles of {', '.join(timeframes)} are to be the venue's own, and {reference} is a file, "
                "which holds one timeframe; import both into the database, or let them be resampled"
            )
        return {
            name: self.candles(CandleReference(Series(origin.symbol, name, origin.venue), reference.database))
            for name in timeframes
        }

    def storage(self, url: str) -> Storage:
        """A database, opened once."""
        if url not in self._storages:
            self._storages[url] = open_storage(self.kernel, url)
        return self._storages[url]

    def close(self) -> None:
        """Let go of the databases and of what was loaded."""
        for storage in self._storages.values():
            storage.close()
        self._storages.clear()
        self._candles.clear()

    def _load(self, reference: CandleReference) -> Candles:
        if isinstance(reference.origin, SourceRequest):
            return self._from_source(reference, reference.origin)
        if reference.database is None:
            raise UsageError(
                f"candles of {reference.origin} are asked for by name; say which database has them"
            )
        storage = self.storage(reference.database)
        return StrategyDataIntegrator(self.kernel, storage=storage).candles(reference.origin)

    def _from_source(self, reference: CandleReference, request: SourceRequest) -> Candles:
        """The candles of a file, which may hold them in a lower timeframe than the one asked for."""

        def load(request: SourceRequest) -> Candles:
            now, calendar = self.clock.utc_now(), reference.calendar
            return load_source(
                self.kernel, request, now=now, policy=reference.bad_candles, calendar=calendar
            )[0]

        try:
            return load(request)
        except UsageError:
            if request.timeframe is None:
                raise
            wanted = Timeframe(request.timeframe)
            try:
                lower = load(replace(request, timeframe=None))
            except StratkernelError:
                lower = None
            if lower is None or lower.timeframe == wanted or not is_multiple(wanted, lower.timeframe):
                raise
        return resample_candles(lower, wanted)


def _key(reference: CandleReference) -> str:
    return repr((reference, reference.database))


_workshops: Final[dict[str, Workshop]] = {}


def workshop_of(selection: PluginSelection) -> Workshop:
    """The workshop of this process for a selection of plugins: workers do many tasks, and set up once."""
    key = repr(selection)
    if key not in _workshops:
        _workshops[key] = Workshop(Kernel(selection))
    return _workshops[key]


def close_workshops() -> None:
    """Let go of what tasks in this process have opened and loaded; the next task sets up again."""
    while _workshops:
        _workshops.popitem()[1].close()
