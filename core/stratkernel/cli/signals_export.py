"""`stratkernel signals export`: stored signals into a file."""

import argparse
from typing import TYPE_CHECKING, Any, Final

from stratkernel.cli.candle_flags import add_database_argument
from stratkernel.cli.session import open_kernel
from stratkernel.cli.signal_query import add_signal_arguments, refuse_empty

if TYPE_CHECKING:
    import pandas as pd


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_signal_arguments(parser)
    parser.add_argument(
        "--all-revisions", action="store_true", help="also what was revised or retracted later"
    )
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="a .csv or .parquet file")
    add_database_argument(parser)


def export(arguments: argparse.Namespace) -> int:
    """Write stored signals to a file, ordered by time; metadata in columns of its own."""
    from stratkernel.cli.database import database_of
    from stratkernel.cli.signal_query import signal_query
    from stratkernel.cli.table_files import table_path, write_frame

    path = table_path("--output", arguments.output)
    with database_of(open_kernel(arguments), arguments, makes=False) as database:
        runs = database.storage.strategies
        query = signal_query(runs, arguments, current=not arguments.all_revisions, with_metadata=True)
        signals = runs.signals(query)
        if len(signals) == 0:  # before the file is touched: an old one stays
            refuse_empty(database.storage, query, arguments)
    write_frame(_of_one_type(signals.frame), path)
    runs_of = f"{len(signals.runs):,} run{'' if len(signals.runs) == 1 else 's'}"
    print(f"wrote {len(signals):,} signals of {runs_of} to {path}")
    return 0


def _of_one_type(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Metadata of several strategies may be number here and text there: texts then, as Parquet wants it."""
    mixed: dict[str, Any] = {
        name: [None if value is None else str(value) for value in frame[name].tolist()]
        for name in frame.columns
        if name.startswith("metadata.") and len(set(map(_family, frame[name].dropna()))) > 1
    }
    return frame.assign(**mixed)


def _family(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if number else type(value).__name__


COMMANDS: Final = {"export": (_arguments, export)}
