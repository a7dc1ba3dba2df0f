"""The command line. Each command is a module of its own, imported when it is called."""

import sys
from collections.abc import Sequence

from stratkernel.cli.program import run_program


def main(argv: Sequence[str] | None = None) -> int:
    """Run `stratkernel ...` and give the exit code: 0 done, 1 failure, 2 usage, 130 interrupted."""
    return run_program(list(sys.argv[1:] if argv is None else argv))
