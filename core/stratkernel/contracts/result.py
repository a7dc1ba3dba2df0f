"""What running a strategy over candles gives."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalTable

_NAMESPACE: Final = uuid.UUID("6f9f7b52-5a55-5a4b-9d0e-6a1f0f3f2d11")


_CANONICAL: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def canonical_json(value: object) -> str:
    """One text for one value: sorted keys, no spaces, no NaN."""
    return _CANONICAL.encode(value)


@dataclass(frozen=True, slots=True)
class StrategyRun:
    """Which strategy ran, with what, over what: all that decides its signals.

    `strategy` is the qualified id, `parameters` are filled in with defaults, `plugins` maps the
    distributions that took part to their versions, `origin` is the open time of the first candle.
    """

    strategy: str
    strategy_name: str
    parameters: Mapping[str, Any]
    plugins: Mapping[str, str]
    venue: str
    symbol: str
    timeframe: str
    origin: int
    gaps: Mapping[str, Any]
    extra_timeframes: Mapping[str, str] = field(default_factory=dict)
    exits: Mapping[str, Any] = field(default_factory=dict)

    @property
    def plugin_version(self) -> str:
        return self.plugins.get(self.strategy.partition(":")[0], "0")

    @property
    def config_hash(self) -> str:
        """SHA-256 of strategy, parameters, timeframes and their source, exits and gap rule.

        Parameters that are None are left out: a new option that is off changes no hash.
        """
        config = {
            "strategy": self.strategy,
            "parameters": {name: value for name, value in self.parameters.items() if value is not None},
            "timeframe": self.timeframe,
            "extra_timeframes": dict(self.extra_timeframes),
            "exits": dict(self.exits),
            "gaps": dict(self.gaps),
        }
        return hashlib.sha256(canonical_json(config).encode()).hexdigest()

    def run_id(
        self, kind: str, *, data_hash: str, span: tuple[int, int], costs: Mapping[str, Any]
    ) -> uuid.UUID:
        """UUIDv5 of all that decides a stored run, so that saving it again adds no row.

        `span` is the range that comes out (open times, microseconds), `costs` fill, fees and capital.
        """
        parts = [
            kind, self.config_hash, dict(self.plugins), self.venue, self.symbol, self.timeframe,
            self.origin, list(span), data_hash, dict(costs),
        ]  # fmt: skip
        return uuid.uuid5(_NAMESPACE, canonical_json(parts))


@dataclass(frozen=True, eq=False)
class StrategyResult:
    """One strategy's outcome on one series.

    `candles` are those that came out (trimmed to a range, gaps filled where asked for), and the rows of
    `signals` count in them. `admitted` are those that went in, from the origin on, `venue_candles` the
    venue's own of higher timeframes, where the strategy read such. `timings` are seconds, and what a shared
    cache of indicators spared (`cache_hits`) and did not (`cache_misses`).
    """

    run: StrategyRun
    candles: Candles
    signals: SignalTable
    admitted: Candles
    quality: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    venue_candles: Mapping[str, Candles] = field(default_factory=dict)

    @property
    def data_hash(self) -> str:
        """SHA-256 of the admitted candles: with the run, all that decides the signals."""
        return hash_of_data(self.admitted, self.venue_candles)


def hash_of_data(admitted: Candles, venue_candles: Mapping[str, Candles]) -> str:
    """SHA-256 of the candles that decide signals: the base ones, and the venue's own of higher timeframes."""
    return hash_with_venue(admitted.data_hash, venue_candles)


def hash_with_venue(data_hash: str, venue_candles: Mapping[str, Candles]) -> str:
    """As `hash_of_data`, where only the hash of the base candles is left of them."""
    if not venue_candles:
        return data_hash
    higher = {name: candles.data_hash for name, candles in venue_candles.items()}
    return hashlib.sha256(canonical_json([data_hash, higher]).encode()).hexdigest()
