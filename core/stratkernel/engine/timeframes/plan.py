"""Which timeframe a strategy's candles have, and where candles of higher ones come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Self, TypeAlias, cast, get_args

from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.timeframes import DAY, Timeframe
from stratkernel.kernel.errors import UsageError

HigherSource: TypeAlias = Literal["resampled", "venue"]
RESAMPLED: Final = "resampled"
VENUE: Final = "venue"


@dataclass(frozen=True, slots=True)
class TimeframePlan:
    """The base candles, and for each higher timeframe whether it is resampled from them or the venue's own.

    What `sources` does not name is resampled. `venue_candles` are those of the timeframes that are not.

    Raises:
        UsageError: an unknown timeframe or source.
    """

    base: Timeframe
    calendar: Calendar = Calendar.ALWAYS
    omits_empty: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)
    venue_candles: Mapping[str, Candles] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name, source in self.sources.items():
            Timeframe(name)
            if source not in get_args(HigherSource):
                expected = " or ".join(get_args(HigherSource))
                raise UsageError(f"candles of {name} are to be {source!r:.40}; expected {expected}")

    @classmethod
    def of(
        cls,
        candles: Candles,
        sources: Mapping[str, str] | None = None,
        venue_candles: Mapping[str, Candles] | None = None,
    ) -> Self:
        """The plan for a strategy over these candles."""
        return cls(
            candles.timeframe,
            candles.calendar,
            candles.omits_empty,
            dict(sources or {}),
            dict(venue_candles or {}),
        )

    def source_of(self, timeframe: Timeframe) -> HigherSource:
        return cast("HigherSource", self.sources.get(timeframe.name, RESAMPLED))


def check_higher(base: Timeframe, higher: Timeframe, who: str) -> None:
    """Whether whole candles of the base make up each candle of the higher timeframe.

    Raises:
        UsageError: the higher one is shorter, or no multiple of the base.
    """
    if higher.approximate_micros < base.approximate_micros:
        raise UsageError(
            f"{who} reads candles of {higher}, which are shorter than the {base} candles that it runs on; "
            f"give it candles of {higher} or less, or ask for a longer timeframe"
        )
    if not is_multiple(higher, base):
        raise UsageError(
            f"{who} reads candles of {higher}, which are not made up of whole {base} candles; "
            "choose a multiple, or run it on shorter candles"
        )


def is_multiple(higher: Timeframe, base: Timeframe) -> bool:
    """Whether each candle of `higher` is made up of a whole number of `base` candles, all within it."""
    if base.micros is None:
        return higher == base
    # weeks open on Mondays and months on their first day, both at midnight
    return higher.approximate_micros >= base.micros and (higher.micros or DAY) % base.micros == 0
