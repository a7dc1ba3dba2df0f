"""`stratkernel data import`: candles of files into the database."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from stratkernel.cli.candle_flags import add_database_argument, add_file_arguments, add_series_arguments
from stratkernel.cli.session import open_kernel, warn_of_broken_plugins

if TYPE_CHECKING:
    from stratkernel.cli.candle_conflicts import Contradiction
    from stratkernel.contracts.calendars import Calendar
    from stratkernel.contracts.candles import Candles
    from stratkernel.contracts.storage import Storage
    from stratkernel.contracts.stored import CandleWrite, QuarantinedCandle, Series, StoredSeries
    from stratkernel.kernel.manager import Kernel

_LARGE: Final = 300_000
"""From so many candles on a terminal is shown how far it is."""
_CHUNK: Final = 100_000


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", help="csv, csv.gz, parquet, feather or json")
    group = parser.add_argument_group("candles")
    add_series_arguments(group)
    add_file_arguments(group)
    parser.add_argument(
        "--overwrite", action="store_true", help="replace stored candles that differ; else they are refused"
    )
    parser.add_argument(
        "--conflicts", metavar="FILE", help="write all values that differ to a .csv or .parquet file"
    )
    add_database_argument(parser)


def import_files(arguments: argparse.Namespace) -> int:
    """Store the candles of files. All files are read before anything is stored; each series whole or not."""
    from stratkernel.cli import candle_conflicts
    from stratkernel.cli.candle_input import tell
    from stratkernel.cli.database import check_texts, database_of
    from stratkernel.cli.table_files import table_path, write_frame
    from stratkernel.kernel.errors import CandleConflictError, StratkernelError

    check_texts(arguments, "symbol", "venue")
    target = table_path("--conflicts", arguments.conflicts) if arguments.conflicts is not None else None
    kernel = open_kernel(arguments)
    with database_of(kernel, arguments) as database:
        batches = _read(kernel, arguments)
        warn_of_broken_plugins(kernel, verbose=arguments.verbose)
        refused: list[list[Contradiction]] = []
        try:
            for batch in batches:
                found = _store_or_compare(database.storage, batch, overwrite=arguments.overwrite)
                refused += [found] if found else []
        except StratkernelError:
            for each in refused:  # what else went wrong must not hide them
                tell(candle_conflicts.message(each, target))
            raise
        finally:
            if target is not None and refused:
                write_frame(candle_conflicts.frame([one for each in refused for one in each]), target)
    if refused:
        raise CandleConflictError("\n".join(candle_conflicts.message(each, target) for each in refused))
    return 0


def _store_or_compare(storage: "Storage", batch: "_Batch", *, overwrite: bool) -> "list[Contradiction]":
    """Store a series and print what became of it; one that is contradicted is left, and by what is given."""
    from stratkernel.cli.candle_conflicts import between_files, with_stored
    from stratkernel.kernel.errors import CandleConflictError

    parts = list(zip(batch.files, batch.parts, strict=True))
    found = [] if overwrite else between_files(batch.series, parts)
    if found:
        return found
    try:
        write, aside, told = _store(storage, batch, overwrite=overwrite)
    except CandleConflictError:
        found = with_stored(storage.candles, batch.series, parts)
        if not found:  # somebody changed what is stored meanwhile
            raise
        return found
    print(_line(batch.series, write, aside) + told)
    return []


@dataclass(frozen=True, slots=True)
class _Batch:
    """All that was read of one series, file by file."""

    series: "Series"
    files: list[str]
    parts: "list[Candles]"
    bad: "list[QuarantinedCandle]"
    facts: "_Facts"


@dataclass(slots=True)
class _Facts:
    """What flags and files say of a series; `None` where they say nothing."""

    calendar_of_flag: "Calendar | None" = None
    calendar_of_files: "Calendar | None" = None
    omits_empty: bool | None = None


def _read(kernel: "Kernel", arguments: argparse.Namespace) -> list[_Batch]:
    from stratkernel.cli.candle_input import calendar_of, read_file
    from stratkernel.contracts.stored import Series
    from stratkernel.engine.quarantine import dropped_candles
    from stratkernel.kernel.clock import SystemClock

    now = SystemClock().utc_now()
    batches: dict[Series, _Batch] = {}
    for file in dict.fromkeys(arguments.files):
        candles, raw = read_file(kernel, arguments, file, now=now)
        series = Series(candles.symbol, candles.timeframe.name, candles.venue)
        facts = _Facts(calendar_of(arguments), None, arguments.omits_empty)
        batch = batches.setdefault(series, _Batch(series, [], [], [], facts))
        batch.files.append(file)
        batch.parts.append(candles)
        batch.bad.extend(dropped_candles(raw, candles, now))
        if raw.calendar:
            batch.facts.calendar_of_files = raw.calendar
    return list(batches.values())


def _store(storage: "Storage", batch: _Batch, *, overwrite: bool) -> "tuple[CandleWrite, int, str]":
    """Write one series in one transaction.

    Gives also how many bad candles were put aside, and how what is known of the series changed.
    """
    from stratkernel.contracts.stored import CandleWrite

    total = sum(len(candles) for candles in batch.parts)
    inserted = unchanged = replaced = 0
    with _progress(f"{batch.series}", total) as advance, storage.unit_of_work():
        before = _stored_series(storage, batch.series)
        calendar, given = _calendar(storage, batch, before)
        kept = calendar if before is None else before.calendar  # what is stored, until `describe`
        for chunk in _chunks([replace(candles, calendar=kept) for candles in batch.parts]):
            write = storage.candles.write(chunk, overwrite=overwrite)
            inserted, unchanged = inserted + write.inserted, unchanged + write.unchanged
            replaced += write.replaced
            advance(len(chunk))
        aside = storage.candles.quarantine(batch.bad) if batch.bad else 0
        after = _stored_series(storage, batch.series)
        told = ""
        if after is not None:
            omits = after.omits_empty if batch.facts.omits_empty is None else batch.facts.omits_empty
            storage.candles.describe(batch.series, calendar=calendar, calendar_given=given, omits_empty=omits)
            told = _changes(before, calendar, omits_empty=omits)
    return CandleWrite(inserted, unchanged, replaced), aside, told


def _stored_series(storage: "Storage", series: "Series") -> "StoredSeries | None":
    found = storage.candles.series(symbol=series.symbol, timeframe=series.timeframe, venue=series.venue)
    return found[0] if found else None


def _changes(before: "StoredSeries | None", calendar: "Calendar", *, omits_empty: bool) -> str:
    """What is known of a stored series now and was not before, to be told."""
    if before is None:
        return ""
    told = ""
    if calendar is not before.calendar:
        told += f"; calendar {calendar}, {before.calendar} before"
    if omits_empty != before.omits_empty:
        told += f"; candles without trades {'are left out' if omits_empty else 'are not left out any more'}"
    return told


def _calendar(storage: "Storage", batch: _Batch, before: "StoredSeries | None") -> "tuple[Calendar, bool]":
    """The calendar of a series, and whether somebody said it: a flag, then who said it before, then files."""
    if batch.facts.calendar_of_flag is not None:
        return batch.facts.calendar_of_flag, True
    if before is not None and before.calendar_given:
        return before.calendar, True
    if batch.facts.calendar_of_files is not None:
        return batch.facts.calendar_of_files, True
    return _inferred_calendar(storage, batch, before), False


def _inferred_calendar(storage: "Storage", batch: _Batch, before: "StoredSeries | None") -> "Calendar":
    """What all candles of the series suggest, stored ones too: a week of them alone may look otherwise."""
    import numpy as np

    from stratkernel.contracts.calendars import infer_calendar
    from stratkernel.contracts.timeframes import Timeframe

    series, timeframe = batch.series, Timeframe(batch.series.timeframe)
    times = [candles.open_time for candles in batch.parts]
    if before is not None:
        times += [part.open_time for part in storage.candles.chunks(series)]
    return infer_calendar(times[0] if len(times) == 1 else np.unique(np.concatenate(times)), timeframe)


def _chunks(parts: "Sequence[Candles]") -> "Iterator[Candles]":
    """The candles as they are, or in parts where a terminal may want to hear how far it is."""
    for candles in parts:
        step = _CHUNK if len(candles) >= _LARGE else max(1, len(candles))
        for start in range(0, len(candles), step):
            yield candles.slice(start, min(start + step, len(candles)))


@contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, where that is a terminal and there is something to wait for."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    console = Console(stderr=True)
    if total < _LARGE or not console.is_terminal:
        yield lambda _: None
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(escape(title), total=total)
        yield lambda rows: progress.advance(task, rows)


def _line(series: "Series", write: "CandleWrite", aside: int) -> str:
    from stratkernel.kernel.errors import one_line

    counts = {"new": write.inserted, "unchanged": write.unchanged, "replaced": write.replaced}
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count or what == "new")
    return f"{one_line(str(series))}: {told}" + (f"; {aside:,} bad candles put aside" if aside else "")


COMMANDS: Final = {"import": (_arguments, import_files)}
