"""The project home: where settings and documents live."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final

_chosen: Final[ContextVar[Path | None]] = ContextVar("_chosen", default=None)


def project_home() -> Path:
    """What `using_home` says, else `STRATKERNEL_HOME`, else the platform's folder for user data.

    It need not exist.
    """
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    named = os.environ.get("STRATKERNEL_HOME")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("stratkernel", appauthor=False)


@contextmanager
def using_home(home: str | os.PathLike[str] | None) -> Iterator[None]:
    """Within, this is the project home: what a command's `--home` says; `None` changes nothing."""
    if home is None:
        yield
        return
    before = _chosen.set(Path(home).expanduser())
    try:
        yield
    finally:
        _chosen.reset(before)
