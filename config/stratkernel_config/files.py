"""The one way to write a file: whole, or not at all."""

import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from stratkernel_config.documents import dump_json

STALE_SECONDS: Final = 3600.0
"""A temporary file of this age was left behind by a process that died."""


_OF_THE_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
"""What writing ends with whoever does it; some libraries do not say of which file."""


@contextmanager
def replacing(path: Path, *, follow: bool = True, backup: bool = False) -> Iterator[Path]:
    """Give a temporary path in the same folder and move it over `path` when the block succeeds.

    File and folder are synced, so that after a crash the old or the new content is there, never a part.
    A symbolic link stays and what it points to is replaced, unless `follow` is off: then the link itself
    is. `backup` keeps the old content as `<name>.bak`. Raises OSError as `open` does, of `path`.
    """
    target = path.resolve() if follow else path
    temporary = target.with_name(f".{target.stem}.{uuid.uuid4().hex}{target.suffix}")
    with _naming(path, temporary), _temporary_of(target, temporary, backup=backup):
        yield temporary


@contextmanager
def _temporary_of(target: Path, temporary: Path, *, backup: bool) -> Iterator[None]:
    """Make a temporary file and move it over its target when the block succeeds."""
    temporary.touch(exist_ok=False)  # with the permissions of any new file
    try:
        _sweep(target, temporary.stat().st_mtime - STALE_SECONDS)
        there = target.is_file() and not target.is_symlink()
        if there:
            temporary.chmod(target.stat().st_mode)
        yield
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if there and backup:
            _keep_backup(target)
        temporary.replace(target)
        sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _naming(path: Path, temporary: Path) -> Iterator[None]:
    """Errors of a temporary file, whose name tells nobody anything, become those of the file itself."""
    try:
        yield
    except OSError as error:
        nameless = error.filename is None and error.errno in _OF_THE_DISK
        if not nameless and str(error.filename) != str(temporary):
            raise
        # without a number it has no text of its own; with one Python picks the same subclass again
        raise OSError(error.errno, os.strerror(error.errno or 0), str(path)) from error


def write_json(path: Path, value: Any, *, backup: bool = True) -> bytes:
    """Write a document; gives the bytes that are now in the file. Symbolic links are not followed.

    Raises:
        ConfigError: the value cannot be written as JSON.
    """
    data = dump_json(value)
    with replacing(path, follow=False, backup=backup) as temporary:
        temporary.write_bytes(data)
    return data


def sync_folder(folder: Path) -> None:
    """Make what was renamed or removed in a folder survive a crash."""
    if os.name == "nt":
        return  # Windows opens no folders
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _keep_backup(target: Path) -> None:
    """The old content under a second name: a link to it where the file system can, else a copy."""
    spare = target.with_name(f".{target.stem}.{uuid.uuid4().hex}{target.suffix}")
    try:
        try:
            os.link(target, spare)
        except OSError:
            shutil.copy2(target, spare)
        spare.replace(target.with_name(f"{target.name}.bak"))
    finally:
        spare.unlink(missing_ok=True)


def _sweep(target: Path, before: float) -> None:
    """Remove temporaries of this file that were left behind; time is the file system's own."""
    mine = re.compile(rf"\.{re.escape(target.stem)}\.[0-9a-f]{{32}}{re.escape(target.suffix)}")
    with os.scandir(target.parent) as entries:
        for entry in entries:
            if entry.name.startswith(".") and mine.fullmatch(entry.name):
                with suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < before:
                        Path(entry.path).unlink()
