"""`stratkernel runs star | delete`: keep stored runs, or do away with them."""

import argparse
from typing import TYPE_CHECKING, Final

from stratkernel.cli.candle_flags import add_database_argument
from stratkernel.cli.session import open_kernel

if TYPE_CHECKING:
    from stratkernel.contracts.storage import StrategyStorage
    from stratkernel.contracts.stored import RunRecord


def _runs_arguments(parser: argparse.ArgumentParser) -> None:
    from stratkernel.cli.run_argument import HELP

    parser.add_argument("runs", metavar="RUN", nargs="+", help=HELP)
    add_database_argument(parser)


def _star_arguments(parser: argparse.ArgumentParser) -> None:
    _runs_arguments(parser)
    parser.add_argument("--off", action="store_true", help="take the star away")


def star(arguments: argparse.Namespace) -> int:
    """Give runs a star: no retention policy deletes them."""
    from stratkernel.cli.database import database_of
    from stratkernel.cli.run_saving import short_id

    with database_of(open_kernel(arguments), arguments, makes=False) as database:
        storage = database.storage
        found = _find_all(storage.strategies, arguments.runs)
        with storage.unit_of_work():
            for record in found:
                storage.strategies.star(record.run_id, not arguments.off)
    for record in found:
        print(f"run {short_id(record)} {'has no star any more' if arguments.off else 'is starred'}")
    return 0


def _delete_arguments(parser: argparse.ArgumentParser) -> None:
    _runs_arguments(parser)
    parser.add_argument("--yes", action="store_true", help="delete, without which nothing is")


def delete(arguments: argparse.Namespace) -> int:
    """Delete runs and their signals, starred ones too; all that are named, or none."""
    from stratkernel.cli.database import database_of, require_yes
    from stratkernel.cli.run_saving import short_id

    with database_of(open_kernel(arguments), arguments, makes=False) as database:
        storage = database.storage
        found = _find_all(storage.strategies, arguments.runs)
        names = ", ".join(short_id(record) + (" (starred)" if record.starred else "") for record in found)
        signals = sum(record.signal_count for record in found)
        what = f"{len(found):,} run{'s' if len(found) > 1 else ''} ({names}) and {signals:,} signals"
        require_yes(arguments, f"delete {what} from {storage.title}")
        storage.strategies.delete_runs([record.run_id for record in found])
        storage.reclaim()
    print(f"deleted {what}")
    return 0


def _find_all(runs: "StrategyStorage", names: list[str]) -> "list[RunRecord]":
    from stratkernel.cli.run_argument import find_run

    found = [find_run(runs, name) for name in names]
    return list({record.run_id: record for record in found}.values())


COMMANDS: Final = {"star": (_star_arguments, star), "delete": (_delete_arguments, delete)}
