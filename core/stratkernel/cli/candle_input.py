"""Candles for a command, from a file or from the database; what was inferred is told on stderr."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from stratkernel.cli.candle_flags import FILE_FLAGS
from stratkernel.cli.database import Database, check_texts, database_of
from stratkernel.cli.series_argument import choose_or_make_series
from stratkernel.contracts.admission import AdmissionReport, BadCandles
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.source import RawCandles, SourceRequest
from stratkernel.contracts.stored import Series
from stratkernel.contracts.timeframes import iso
from stratkernel.engine.candle_loading import load_source
from stratkernel.engine.data_integration import StrategyDataIntegrator
from stratkernel.kernel.clock import SystemClock
from stratkernel.kernel.errors import UsageError
from stratkernel.kernel.manager import Kernel

if TYPE_CHECKING:
    from stratkernel.contracts.storage import Storage

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def load_candles(kernel: Kernel, arguments: argparse.Namespace, database: Database | None = None) -> Candles:
    """The candles that `--data` names, else those that `--symbol` names in the database.

    `database` is the one of this command, where it has one open already.

    Raises:
        UsageError: neither is named, there is no such thing, or something must be said with a flag.
        DataError: a file cannot be read, or has bad candles.
        StorageError: the database cannot be read.
    """
    if arguments.data is not None:
        candles, _ = read_file(kernel, arguments, arguments.data, now=SystemClock().utc_now())
        return candles
    require_stored(arguments)
    if database is not None:
        return _stored_candles(kernel, database.storage, arguments)
    with database_of(kernel, arguments, makes=False) as opened:
        return _stored_candles(kernel, opened.storage, arguments)


def higher_candles(
    database: Database, arguments: argparse.Namespace, candles: Candles, timeframes: Sequence[str]
) -> dict[str, Candles]:
    """The venue's own candles of these timeframes, which lie beside the stored ones.

    Raises:
        UsageError: the candles are of a file, which holds one timeframe only.
        UnknownNameError: they are not stored.
    """
    if timeframes and arguments.data is not None:
        raise UsageError(
            f"the document takes candles of {', '.join(timeframes)} from the venue, and a file holds one "
            "timeframe; import both into the database, or let them be resampled"
        )
    return {
        name: database.storage.candles.read(Series(candles.symbol, name, candles.venue))
        for name in timeframes
    }


def read_file(
    kernel: Kernel, arguments: argparse.Namespace, location: str, *, now: datetime
) -> tuple[Candles, RawCandles]:
    """Read and admit the candles of a file; gives also what was in the file.

    Raises:
        UsageError: no source for it, or something must be said with a flag.
        DataError: it cannot be read, or has bad candles.
    """
    request = file_request(arguments, location)
    policy = policy_of(arguments.bad_candles)
    candles, raw = load_source(kernel, request, now=now, policy=policy, calendar=calendar_of(arguments))
    tell_report(candles.report)
    return candles, raw


def file_request(arguments: argparse.Namespace, location: str) -> SourceRequest:
    """What the flags say of a file."""
    options = {name: getattr(arguments, name) for name in (*FILE_FLAGS, "venue")}
    return SourceRequest(
        location=location,
        symbol=arguments.symbol,
        timeframe=arguments.timeframe,
        options={name: value for name, value in options.items() if value is not None},
    )


def tell_report(report: AdmissionReport | None) -> None:
    """What the gate says, on stderr."""
    for line in [] if report is None else report.text().splitlines():
        tell(line)


def tell(line: str) -> None:
    """A line on stderr that is not part of the result."""
    print(f"stratkernel: {line}", file=sys.stderr)


def require_stored(arguments: argparse.Namespace) -> None:
    """Refuse flags that name no stored candles. Raises `UsageError`."""
    if arguments.symbol is None:
        raise UsageError(
            "which candles? say --data FILE, or --symbol SYMBOL of those that `stratkernel data list` lists"
        )
    given = [name for name in (*FILE_FLAGS, "bad_candles") if getattr(arguments, name) is not None]
    if given:
        flag = f"--{given[0].replace('_', '-')}"
        raise UsageError(f"{flag} says how to read a file; say --data FILE too, or leave it out")
    check_texts(arguments, "symbol", "timeframe", "venue")


def _stored_candles(kernel: Kernel, storage: "Storage", arguments: argparse.Namespace) -> Candles:
    """A whole series: the run trims what comes out, so that the fold starts where it should."""
    series = choose_or_make_series(storage, arguments.symbol, arguments.timeframe, arguments.venue)
    candles = StrategyDataIntegrator(kernel, storage=storage).candles(series)
    if series not in {each.series for each in storage.candles.series(symbol=series.symbol)}:
        tell(f"{series} is not stored; its candles are made of a lower timeframe")
    if len(candles):
        first, last = iso(int(candles.open_time[0])), iso(int(candles.open_time[-1]))
        tell(f"{storage.title}: {len(candles):,} candles of {series}, {first} to {last} (open times)")
    calendar = calendar_of(arguments)
    return candles if calendar is None else dataclasses.replace(candles, calendar=calendar)


def calendar_of(arguments: argparse.Namespace) -> Calendar | None:
    """What `--calendar` says."""
    return Calendar(arguments.calendar) if arguments.calendar else None


def policy_of(bad_candles: str | None) -> BadCandles:
    """What `--bad-candles` says; bad ones are rejected where it is not given."""
    return BadCandles.REJECT if bad_candles is None else BadCandles(bad_candles)


def parse_time(flag: str, text: str | None) -> int | None:
    """Microseconds since 1970 of an ISO 8601 date (that UTC day) or date-time with its zone.

    Raises:
        UsageError: it is neither, or names no zone.
    """
    moment = parse_moment(flag, text)
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)


def parse_range(arguments: argparse.Namespace) -> tuple[int | None, int | None]:
    """`--from` and `--to` as `parse_time` reads them. Raises `UsageError` also where nothing lies between."""
    start, end = parse_time("--from", arguments.start), parse_time("--to", arguments.end)
    if start is not None and end is not None and start >= end:
        raise UsageError(
            f"--from {arguments.start} --to {arguments.end}: nothing lies between; expected --to, which is "
            "exclusive, after --from"
        )
    return start, end


def parse_moment(flag: str, text: str | None) -> datetime | None:
    """As `parse_time`, an aware datetime."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{flag} {text!r}: expected a date such as 2024-01-31 or 2024-01-31T08:00:00Z"
        ) from None
    if moment.tzinfo is None:
        if len(text) > len("2024-01-31"):
            raise UsageError(f"{flag} {text!r} names no time zone; write {text}Z for UTC")
        moment = moment.replace(tzinfo=UTC)
    return moment
