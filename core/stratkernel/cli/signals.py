"""Signals of saved runs: into a file, or counted."""

from typing import Final

SUBCOMMANDS: Final = {
    "export": ("stratkernel.cli.signals_export", "write signals to a CSV or Parquet file"),
    "stats": (
        "stratkernel.cli.signals_stats",
        "counts, confidence and win rate by strategy, symbol, day, ...",
    ),
}
