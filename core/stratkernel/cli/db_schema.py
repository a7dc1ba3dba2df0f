"""`stratkernel db upgrade | downgrade | current | check | backup`: the tables of the database."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stratkernel.cli.candle_flags import add_database_argument
from stratkernel.cli.session import open_kernel
from stratkernel.kernel.errors import StratkernelError, UsageError

if TYPE_CHECKING:
    from stratkernel.contracts.storage import Migrations


@dataclass(frozen=True, slots=True)
class _Tables:
    """The migrations of a database, its name without passwords, and the folder that it may need."""

    migrations: "Migrations"
    title: str
    home: Path | None


def _tables_of(arguments: argparse.Namespace) -> _Tables:
    """Those of `--database`, else of the settings. Raises `UsageError` where there are none."""
    from stratkernel.engine.storage import backend_for
    from stratkernel.kernel.guard import guard
    from stratkernel_config.user_settings import load_settings, redacted

    loaded = load_settings({"database_url": arguments.database})
    url = loaded.settings.database_url
    title = str(redacted("database_url", url))
    item = backend_for(open_kernel(arguments), url)
    with guard(item.title, "for its migrations", passing=StratkernelError):
        migrations: Migrations | None = item.cls.migrations(url)
    if migrations is None:
        raise UsageError(f"{title}: {item.title} has no tables to upgrade or check")
    home = loaded.settings.home if loaded.origins["database_url"] == "default" else None
    return _Tables(migrations, title, home)


def _upgrade_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", metavar="REVISION", default="head", help="(default: the newest)")
    parser.add_argument(
        "--partition-signals",
        action=argparse.BooleanOptionalAction,
        help="of PostgreSQL: keep signals in partitions, one a month, or in one table again "
        "(default: as they are); copies all signals, others wait meanwhile",
    )
    add_database_argument(parser)


def upgrade(arguments: argparse.Namespace) -> int:
    """Bring the tables up to date. Of a SQLite database with tables a copy is made first, beside it."""
    tables = _tables_of(arguments)
    if arguments.partition_signals is not None and not tables.migrations.has_partitions:
        raise UsageError(
            f"{tables.title} knows no partitions; leave --[no-]partition-signals out, or use PostgreSQL"
        )
    if tables.home is not None:
        from stratkernel.cli.database import make_home

        make_home(tables.home)
    _print_changes(tables, "applied", tables.migrations.upgrade(arguments.to))
    if arguments.partition_signals is not None:
        _print_partitions(tables, wanted=arguments.partition_signals)
    return 0


def _print_partitions(tables: _Tables, *, wanted: bool) -> None:
    changed = tables.migrations.partition_signals(wanted)
    where = "in partitions, one a month" if wanted else "in one table"
    print(
        f"{tables.title}: signals are {'now ' if changed else ''}{where}{'' if changed else ', as they were'}"
    )


def _downgrade_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("revision", metavar="REVISION", help="`base` is before the first: no tables at all")
    parser.add_argument("--yes", action="store_true", help="do it, without which nothing is")
    add_database_argument(parser)


def downgrade(arguments: argparse.Namespace) -> int:
    """Take the tables back to an older revision; what only newer ones hold is lost.

    Of a SQLite database a copy is made first, beside it; of a server's make one yourself.
    """
    from stratkernel.cli.database import require_yes

    tables = _tables_of(arguments)
    lost = "all tables of stratkernel" if arguments.revision == "base" else "what only newer tables hold"
    require_yes(arguments, f"take {tables.title} back to {arguments.revision} and delete {lost}")
    _print_changes(tables, "undone", tables.migrations.downgrade(arguments.revision))
    return 0


def _print_changes(tables: _Tables, done: str, revisions: Sequence[str]) -> None:
    kept = tables.migrations.backed_up
    if kept is not None:
        print(f"copied to {kept.path} first ({kept.size:,} bytes)")
    for revision in revisions:
        print(f"{done} {revision}")
    print(f"{tables.title}: {_revision(tables.migrations.current())}{'' if revisions else ', as it was'}")


def current(arguments: argparse.Namespace) -> int:
    """Print the revision of the tables, and the one that this version works with.

    Ends with 1 when they are of a newer version, whose database this one refuses.
    """
    tables = _tables_of(arguments)
    revision, head = tables.migrations.current(), tables.migrations.head
    newest = "the newest" if revision == head else f"this stratkernel works with {head}"
    is_known = revision is None or tables.migrations.knows(revision)
    if not is_known:
        newest += " and refuses this database, which a newer one made: upgrade stratkernel"
    print(f"{tables.title}: {_revision(revision)}, {newest}")
    return 0 if is_known else 1


def check(arguments: argparse.Namespace) -> int:
    """Compare the tables with what they should be, CHECK constraints too; find damage and orphaned rows.

    Ends with 1 when something is found.
    """
    tables = _tables_of(arguments)
    found = tables.migrations.check()
    for sentence in found:
        print(sentence)
    if not found:
        print(f"{tables.title}: {_revision(tables.migrations.current())}, all as it should be")
    return 1 if found else 0


def _backup_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a new file")
    add_database_argument(parser)


def backup(arguments: argparse.Namespace) -> int:
    """Copy the database to a file, also while it is written to."""
    tables = _tables_of(arguments)
    made = tables.migrations.backup(Path(arguments.file))
    print(f"copied {tables.title} to {made.path} ({made.size:,} bytes)")
    return 0


def _revision(revision: str | None) -> str:
    return f"revision {revision}" if revision else "no tables yet"


COMMANDS: Final = {
    "upgrade": (_upgrade_arguments, upgrade),
    "downgrade": (_downgrade_arguments, downgrade),
    "current": (add_database_argument, current),
    "check": (add_database_argument, check),
    "backup": (_backup_arguments, backup),
}
