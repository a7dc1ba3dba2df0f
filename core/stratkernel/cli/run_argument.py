"""The stored runs that a command is given: by id, by its beginning, or as the newest."""

import argparse
import re
from typing import TYPE_CHECKING, Any, Final

from stratkernel.cli.candle_flags import add_database_argument

if TYPE_CHECKING:
    from stratkernel.contracts.storage import StrategyStorage
    from stratkernel.contracts.stored import RunRecord

HELP: Final = "an id, 4 letters or more of its beginning, or 'last' (the one before: last~1)"
_LAST: Final = re.compile(r"last(?:~(\d{1,6}))?")


def find_run(runs: "StrategyStorage", text: str) -> "RunRecord":
    """The run that a user named.

    Raises:
        UnknownNameError, AmbiguousNameError: there is none, or several begin so.
    """
    from stratkernel.cli.database import check_text

    check_text("RUN", text)
    last = _LAST.fullmatch(text)
    return runs.find_run(text) if last is None else _newest(runs, int(last[1] or 0))


def _newest(runs: "StrategyStorage", back: int) -> "RunRecord":
    from stratkernel.contracts.stored import RunQuery
    from stratkernel.kernel.errors import UnknownNameError

    newest = runs.runs(RunQuery(limit=back + 1))
    if len(newest) <= back:
        count = f"only {len(newest):,} runs are stored" if newest else "no runs are stored"
        raise UnknownNameError(f"there is no run last~{back}: {count}; see: stratkernel runs list")
    return newest[back]


def add_run_argument(parser: argparse.ArgumentParser, **how: Any) -> None:
    parser.add_argument("run", metavar="RUN", help=HELP, **how)
    add_database_argument(parser)
