"""`stratkernel data list | check`: what candles are stored, and what is wrong with them."""

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from stratkernel.cli.candle_flags import add_database_argument
from stratkernel.cli.config_support import add_json, print_json, print_table
from stratkernel.cli.session import open_kernel

if TYPE_CHECKING:
    from stratkernel.contracts.storage import CandleStorage
    from stratkernel.contracts.stored import Coverage, Gap, Series, StoredSeries

_SHOWN_GAPS: Final = 3


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser, "a JSON list")
    add_database_argument(parser)


def list_series(arguments: argparse.Namespace) -> int:
    """List the candles that are stored; times are open times, UTC."""
    from stratkernel.cli.database import database_of
    from stratkernel.contracts.timeframes import iso

    with database_of(open_kernel(arguments), arguments, makes=False) as database:
        storage = database.storage
        found = [storage.candles.coverage(each.series) for each in storage.candles.series()]
        title = storage.title
    if arguments.json:
        print_json([_series_dict(each) for each in found])
        return 0
    if not found:
        print(f"no candles in {title}; bring some: stratkernel data import FILE")
        return 0
    rows = []
    for each in found:
        stored = each.stored
        times = ["-" if time is None else iso(time) for time in (stored.first, stored.last)]
        rows.append((*_names(stored.series), f"{stored.candles:,}", *times, f"{each.missing:,}"))
    print_table(("SYMBOL", "TIMEFRAME", "VENUE", "CANDLES", "FIRST", "LAST", "MISSING"), rows)
    return 0


def _names(series: "Series") -> tuple[str, str, str]:
    return series.symbol, series.timeframe, series.venue


def _series_dict(coverage: "Coverage") -> dict[str, Any]:
    from stratkernel.contracts.timeframes import iso

    stored = coverage.stored
    return {
        "symbol": stored.series.symbol,
        "timeframe": stored.series.timeframe,
        "venue": stored.series.venue,
        "candles": stored.candles,
        "first": None if stored.first is None else iso(stored.first),
        "last": None if stored.last is None else iso(stored.last),
        "missing": coverage.missing,
        "calendar": str(stored.calendar),
        "omits_empty": stored.omits_empty,
    }


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "symbol", metavar="SYMBOL", nargs="?", help="one only; all that are stored if not said"
    )
    add_json(parser, "a JSON list")
    add_database_argument(parser)


def check(arguments: argparse.Namespace) -> int:
    """Look for gaps, for jumps of the price and for candles that were refused; it changes nothing."""
    from stratkernel.cli.database import check_texts, database_of

    check_texts(arguments, "symbol")
    with database_of(open_kernel(arguments), arguments, makes=False) as database:
        candles = database.storage.candles
        stored = candles.series(symbol=arguments.symbol)
        title = database.storage.title
        if arguments.symbol is not None and not stored:
            _refuse_unknown(candles, arguments.symbol, title)
        found = [_checked(candles, each) for each in stored]
    if arguments.json:
        print_json(found)
    elif not found:
        print(f"no candles in {title}; bring some: stratkernel data import FILE")
    for each in [] if arguments.json else found:
        _print_checked(each)
    return 0


def _refuse_unknown(candles: "CandleStorage", symbol: str, title: str) -> None:
    from stratkernel.cli.series_argument import stored_line
    from stratkernel.kernel.errors import UnknownNameError, one_line

    raise UnknownNameError(
        f"there are no candles of {one_line(symbol)} in {title}." + stored_line(candles.series())
    )


def _checked(candles: "CandleStorage", stored: "StoredSeries") -> dict[str, Any]:
    coverage = candles.coverage(stored.series)
    aside = candles.quarantined(stored.series)
    return {
        **_series_dict(coverage),
        "gaps": [_gap_dict(gap) for gap in coverage.gaps],
        "jumps": _jumps(candles, stored.series),
        "quarantined": len(aside),
        "reasons": dict(Counter(each.reason for each in aside).most_common()),
    }


def _gap_dict(gap: "Gap") -> dict[str, Any]:
    from stratkernel.contracts.timeframes import iso

    return {"after": iso(gap.start), "before": iso(gap.end), "missing": gap.missing}


def _jumps(candles: "CandleStorage", series: "Series") -> int:
    """Closes of more than twice or less than half of the one before, part by part."""
    from stratkernel.contracts.candles import OUTLIER_FACTOR

    jumps, before = 0, None
    for part in candles.chunks(series):
        close = part.columns.close
        jumps += part.outliers
        if before is not None and not 1 / OUTLIER_FACTOR <= close[0] / before <= OUTLIER_FACTOR:
            jumps += 1
        before = close[-1]
    return jumps


def _print_checked(checked: dict[str, Any]) -> None:
    from stratkernel.contracts.admission_report import explain_rules
    from stratkernel.kernel.errors import one_line

    venue = "" if checked["venue"] == "local" else f" of {checked['venue']}"
    names = one_line(f"{checked['symbol']} {checked['timeframe']}{venue}")
    print(f"{names}: {checked['candles']:,} candles, {checked['first']} to {checked['last']}")
    gaps = checked["gaps"]
    if gaps:
        print(f"    {checked['missing']:,} candles are missing, in {len(gaps):,} gaps; the longest:")
        for gap in gaps[:_SHOWN_GAPS]:
            print(f"        {gap['missing']:,} between {gap['after']} and {gap['before']}")
    else:
        print(f"    no candle is missing (calendar {checked['calendar']})")
    if checked["jumps"]:
        print(
            f"    the close jumps to more than twice or less than half {checked['jumps']:,} times (a split?)"
        )
    if checked["quarantined"]:
        print(f"    {checked['quarantined']:,} bad candles were put aside:")
        for reason, count in checked["reasons"].items():
            print(f"        {count:,}  {one_line(explain_rules(reason))}")


COMMANDS: Final = {"list": (_list_arguments, list_series), "check": (_check_arguments, check)}
