"""The database of a command: `--database`, else what the settings say, else a file in the project home."""

import argparse
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from stratkernel.engine.storage import backend_for, open_storage
from stratkernel.kernel.errors import StratkernelError, UsageError, describe, one_line
from stratkernel.kernel.guard import guard

if TYPE_CHECKING:
    from stratkernel.contracts.storage import Migrations, Storage
    from stratkernel.kernel.manager import Kernel

_LONGEST_TEXT: Final = 200


class Database:
    """A database that is opened when it is first needed, and closed at the end of the block.

    Raises:
        UsageError: no back-end opens such a URL. Whatever else is wrong with it shows when it is opened.
    """

    def __init__(
        self, kernel: "Kernel", url: str, *, new_folder: Path | None = None, must_be_there: bool = False
    ) -> None:
        self._item = backend_for(kernel, url)
        self._kernel = kernel
        self.url: Final = url
        self._new_folder = new_folder
        self._must_be_there = must_be_there

    @cached_property
    def storage(self) -> "Storage":
        """The open database. Raises `UsageError` or `StorageError`."""
        if self._new_folder is not None:
            make_home(self._new_folder)
        if self._must_be_there:
            self._require_tables()
        return open_storage(self._kernel, self.url)

    def _require_tables(self) -> None:
        from stratkernel_config.user_settings import redacted

        with guard(self._item.title, "for its migrations", passing=StratkernelError):
            migrations: Migrations | None = self._item.cls.migrations(self.url)
        if migrations is not None and migrations.current() is None:
            raise UsageError(
                f"there is no database of stratkernel at {redacted('database_url', self.url)}; "
                "`data import`, `run --save` or `db upgrade` with this --database makes one"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if "storage" in vars(self):
            self.storage.close()


def database_of(kernel: "Kernel", arguments: argparse.Namespace, *, makes: bool = True) -> Database:
    """The database that flag, environment or settings name.

    The default one lies in the project home, which is made when it is not there yet. A command that only
    looks (`makes` off) refuses one that its flag names and that is not there: a typing error makes none.
    """
    from stratkernel_config.user_settings import load_settings

    loaded = load_settings({"database_url": getattr(arguments, "database", None)})
    origin = loaded.origins["database_url"]
    return Database(
        kernel,
        loaded.settings.database_url,
        new_folder=loaded.settings.home if origin == "default" else None,
        must_be_there=origin == "flag" and not makes,
    )


def make_home(home: Path) -> None:
    """The project home, where it is missing. Raises `UsageError`."""
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the project home {home} cannot be made: {error.strerror or error}; name another (--home)"
        ) from error


def check_texts(arguments: argparse.Namespace, *names: str) -> None:
    """Refuse texts that no database can hold, before they reach one.

    Raises:
        UsageError: not text, a NUL in it, or longer than 200 letters.
    """
    for name in names:
        value = getattr(arguments, name, None)
        for text in value if isinstance(value, list) else [value]:
            if text is not None:
                check_text(f"--{name.replace('_', '-')}", text)


def check_text(flag: str, text: str) -> None:
    """As `check_texts`, of one text."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{flag} {one_line(text)!r}: is no valid text: {describe(error)}") from None
    if "\0" in text or not text.strip() or len(text) > _LONGEST_TEXT:
        raise UsageError(
            f"{flag} {one_line(text, 60)!r}: expected a text of 1 to {_LONGEST_TEXT} letters without a NUL"
        )


def require_yes(arguments: Any, doing: str) -> None:
    """Raise unless `--yes` was said. Raises `UsageError`."""
    if not arguments.yes:
        raise UsageError(f"this would {doing}, for good; say --yes if you mean it")
