"""Candles in the database: bring them in, see what is there and what is missing, take them out."""

from typing import Final

_READ: Final = "stratkernel.cli.data_reading"
_WRITE: Final = "stratkernel.cli.data_writing"

SUBCOMMANDS: Final = {
    "import": ("stratkernel.cli.data_import", "store the candles of files"),
    "list": (_READ, "which candles are stored"),
    "check": (_READ, "gaps, jumps and refused candles of what is stored"),
    "export": (_WRITE, "write stored candles to a file"),
    "delete": (_WRITE, "delete stored candles"),
}
