"""Runs that were saved: find them again, compare them, keep or delete them."""

from typing import Final

_READ: Final = "stratkernel.cli.runs_reading"
_WRITE: Final = "stratkernel.cli.runs_writing"

SUBCOMMANDS: Final = {
    "list": (_READ, "the runs that are stored, the newest first"),
    "show": (_READ, "one run: where it came from, its metrics, its last signals"),
    "compare": ("stratkernel.cli.runs_compare", "two runs side by side, and the signals that differ"),
    "star": (_WRITE, "keep runs whatever the retention policy says"),
    "delete": (_WRITE, "delete runs and their signals"),
}
