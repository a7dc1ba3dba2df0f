"""Several files written and removed, all or none, also when the process is killed half-way."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stratkernel_config.documents import dump_json, parse_json, read_bytes
from stratkernel_config.errors import ConfigError
from stratkernel_config.files import sync_folder, write_json
from stratkernel_config.names import ALLOWED, document_path, require_inside

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK_SECONDS: Final = 10.0
_LOCK: Final = ".lock"
_OURS: Final = re.compile(rf"config/[a-z]+/user_[a-z]+/{ALLOWED}\.json")


class Transactions:
    """The writers of one project home: they exclude each other, and finish what a dead one had begun.

    What is to be done is written down first, in a journal; done twice it does no harm.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder = home / "config"
        self._journal = self._folder / ".pending.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Within, nobody else writes here.

        Raises:
            ConfigError: somebody else has held the lock for ten seconds.
        """
        from filelock import Timeout

        require_inside(self._home, self._folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = self._folder / _LOCK
        if lock.is_symlink():
            raise ConfigError(f"{lock}: a symbolic link, which is not followed; remove it")
        try:
            self._lock.acquire()
        except Timeout:
            raise ConfigError(f"{self._folder}: another process has been writing for too long") from None
        try:
            self._finish()
            yield
        finally:
            self._lock.release()

    @cached_property
    def _lock(self) -> "BaseFileLock":
        """Held more than once by the same thread, it is released when all have released it."""
        from filelock import FileLock

        return FileLock(self._folder / _LOCK, timeout=LOCK_SECONDS)

    def recover(self) -> None:
        """Finish what a process that died had begun; costs next to nothing when there is nothing."""
        if self._journal.is_file():
            with self.locked():
                pass

    def commit(self, writes: Mapping[Path, Mapping[str, Any]], removes: Iterable[Path] = ()) -> None:
        """Write these documents and remove those; call it within `locked()`.

        Raises:
            ConfigError: they are too large or too deep to be read back; nothing was written.
        """
        plan = {
            "write": {self._relative(path): raw for path, raw in writes.items()},
            "remove": [self._relative(path) for path in removes],
        }
        parse_json(dump_json(plan), "these documents together")
        write_json(self._journal, plan, backup=False)
        self._finish()

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._home).as_posix()

    def _finish(self) -> None:
        if not self._journal.is_file():
            return
        plan = parse_json(read_bytes(self._journal, follow=False), str(self._journal))
        match plan:
            case {"write": dict(writes), "remove": list(removes)} if _all_ours([*writes, *removes]):
                for name in removes:  # first: where capitals make no difference it is written anew below
                    self._path(name).unlink(missing_ok=True)
                for name, raw in writes.items():
                    path = self._path(name)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_json(path, raw)
            case _:
                raise ConfigError(f"{self._journal}: not written by stratkernel; remove it")
        self._journal.unlink()
        sync_folder(self._folder)

    def _path(self, relative: str) -> Path:
        path = self._home / relative
        require_inside(self._home, path.parent)
        return document_path(path.parent, path.stem)


def _all_ours(names: list[Any]) -> bool:
    return all(isinstance(name, str) and _OURS.fullmatch(name) for name in names)
