"""What a document may be called, so that its name is a file name everywhere and stays in its folder."""

import re
import unicodedata
from pathlib import Path
from typing import Final

from stratkernel_config.errors import ConfigError, shown

ALLOWED: Final = r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}"
_ALLOWED: Final = re.compile(ALLOWED)
_DEVICES: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
)


def checked_name(name: str) -> str:
    """The name in its composed form (NFC).

    Raises:
        ConfigError: it is not made of up to 64 ASCII letters, digits, `_`, `.` and `-`, a letter or digit
            first and no dot last, or it is the name of a device on some system.
    """
    composed = unicodedata.normalize("NFC", name)
    if not _ALLOWED.fullmatch(composed) or composed.endswith("."):
        raise ConfigError(
            f"name {shown(name)}: expected 1 to 64 letters (a-z, A-Z), digits, '-', '_' or '.', "
            "beginning with a letter or a digit and not ending with a dot"
        )
    if composed.partition(".")[0].lower() in _DEVICES:
        raise ConfigError(f"name {shown(name)}: it is the name of a device on some systems; choose another")
    return composed


def document_path(folder: Path, name: str) -> Path:
    """The file of a document, which lies in the folder whatever the name is.

    Raises:
        ConfigError: the name is not allowed, or the file is a symbolic link.
    """
    path = folder / f"{checked_name(name)}.json"
    if path.is_symlink():
        raise ConfigError(f"{path}: a symbolic link, which is not followed; put the file there")
    return path


def require_inside(root: Path, folder: Path) -> None:
    """Refuse a folder that a symbolic link leads out of the root.

    Raises:
        ConfigError: names both.
    """
    if not folder.resolve().is_relative_to(root.resolve()):
        raise ConfigError(f"{folder}: leads to {folder.resolve()}, outside of {root}; no link may do that")
