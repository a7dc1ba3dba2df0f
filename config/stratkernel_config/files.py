"""The one way to write a file: whole, or not at all."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same folder and move it over `path` when the block succeeds.

    File and folder are synced, so that after a crash the old or the new content is there, never a part.
    A symbolic link stays, and what it points to is replaced. Raises OSError as `open` does.
    """
    target = path.resolve()
    temporary = target.with_name(f".{target.stem}.{uuid.uuid4().hex}{target.suffix}")
    temporary.touch(exist_ok=False)  # with the permissions of any new file
    try:
        if target.exists():
            temporary.chmod(target.stat().st_mode)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
        _sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows opens no folders
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
