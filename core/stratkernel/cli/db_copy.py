"""`stratkernel db copy FROM TO`: everything into another database, checked by hash."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from stratkernel.cli.session import open_kernel
from stratkernel.kernel.errors import UsageError, one_line

if TYPE_CHECKING:
    from stratkernel.contracts.storage import Migrations
    from stratkernel.engine.storage_copy import Copied
    from stratkernel.kernel.manager import Kernel


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="FROM", help="URL of the database that is read")
    parser.add_argument("target", metavar="TO", help="URL of the one that is written; tables are made")


def copy(arguments: argparse.Namespace) -> int:
    """Copy candles, runs, signals with all revisions, and checkpoints into another database.

    What was copied is read back and compared by hash. Doing it again copies what is missing.
    """
    from stratkernel.engine.storage import open_storage
    from stratkernel.engine.storage_copy import copy_storage

    if _identity(arguments.source) == _identity(arguments.target):
        raise UsageError("both sides are the same database; name another one to copy to")
    kernel = open_kernel(arguments)
    _require_tables(kernel, arguments.source)
    copied: list[Copied] = []

    def tell(one: "Copied") -> None:
        copied.append(one)
        print(f"{one_line(one.what)}: {one.rows:,} rows, {one.new:,} new, sha256 {one.hash[:16]}")

    with open_storage(kernel, arguments.source) as source, open_storage(kernel, arguments.target) as target:
        if source.title == target.title:
            raise UsageError(f"both sides are {source.title}; name another database to copy to")
        copy_storage(source, target, tell)
        titles = f"{source.title} to {target.title}"
    new, rows = sum(one.new for one in copied), sum(one.rows for one in copied)
    print(f"copied {titles}: {new:,} of {rows:,} rows were new, all hashes are equal")
    return 0


def _identity(url: str) -> tuple[str, ...]:
    """What says which database a URL means, as far as a URL tells: no driver, user or other options."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    database = unquote(parts.path[1:])
    if not host:
        database = str(Path(database).resolve())
    where = [value for name, value in parse_qsl(parts.query) if name in {"host", "port", "dbname"}]
    return parts.scheme.partition("+")[0], host, database, *where


def _require_tables(kernel: "Kernel", url: str) -> None:
    """Refuse to copy from a database that holds nothing: opening it would make tables, or a file."""
    from stratkernel.engine.storage import backend_for
    from stratkernel_config.user_settings import redacted

    migrations: Migrations | None = backend_for(kernel, url).cls.migrations(url)
    if migrations is not None and migrations.current() is None:
        raise UsageError(f"{redacted('database_url', url)}: nothing to copy, it has no tables of stratkernel")


COMMANDS: Final = {"copy": (_arguments, copy)}
