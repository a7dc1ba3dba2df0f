"""The stored series that `--symbol`, `--timeframe` and `--venue` name."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from stratkernel.contracts.stored import Series, StoredSeries
from stratkernel.contracts.timeframes import Timeframe
from stratkernel.engine.timeframes.plan import is_multiple
from stratkernel.kernel.errors import UnknownNameError, UsageError, did_you_mean, one_line

if TYPE_CHECKING:
    from stratkernel.contracts.storage import Storage

LOCAL: Final = "local"
_SHOWN: Final = 20


def choose_series(storage: "Storage", symbol: str, timeframe: str | None, venue: str | None) -> Series:
    """One stored series. A timeframe or venue that is not said is inferred where only one fits.

    The venue `local` goes before others.

    Raises:
        UnknownNameError: there is no such series; says what there is.
        UsageError: several fit, or an unknown timeframe.
    """
    if timeframe is not None:
        Timeframe(timeframe)
    of_symbol = storage.candles.series(symbol=symbol)
    found = [each.series for each in of_symbol if timeframe in {None, each.series.timeframe}]
    found = [series for series in found if venue in {None, series.venue}]
    if venue is None:
        found = [series for series in found if series.venue == LOCAL] or found
    if not found:
        wanted = " ".join(text for text in (symbol, timeframe) if text) + (f" of {venue}" if venue else "")
        raise UnknownNameError(
            f"there are no candles of {one_line(wanted)} in {storage.title}."
            + (stored_line(of_symbol) if of_symbol else _known(storage, symbol))
        )
    if len(found) > 1:
        by_timeframe = len({series.timeframe for series in found}) > 1
        raise UsageError(
            f"{storage.title} has {', '.join(map(str, found))}; "
            f"say {'--timeframe' if by_timeframe else '--venue'}"
        )
    return found[0]


def choose_or_make_series(
    storage: "Storage", symbol: str, timeframe: str | None, venue: str | None
) -> Series:
    """As `choose_series`; one that is not stored, and can be made of a lower timeframe, will do too.

    `StrategyDataIntegrator` makes it.
    """
    if timeframe is not None:
        wanted = Timeframe(timeframe)
        stored = [each.series for each in storage.candles.series(symbol=symbol) if each.candles]
        stored = [series for series in stored if venue in {None, series.venue}]
        if not any(series.timeframe == timeframe for series in stored):
            lower = {series.venue for series in stored if is_multiple(wanted, Timeframe(series.timeframe))}
            of = LOCAL if LOCAL in lower else lower.pop() if len(lower) == 1 else None
            if of is not None:
                return Series(symbol, timeframe, of)
    return choose_series(storage, symbol, timeframe, venue)


def stored_line(stored: Sequence[StoredSeries]) -> str:
    """What there is, for a message."""
    names = [one_line(str(each.series), 60) for each in stored]
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f" There are: {', '.join(names[:_SHOWN])}{more}."


def _known(storage: "Storage", symbol: str) -> str:
    stored = storage.candles.series()
    if not stored:
        return " It has no candles at all; bring some: stratkernel data import FILE"
    return did_you_mean(symbol, sorted({each.series.symbol for each in stored})) + stored_line(stored)
