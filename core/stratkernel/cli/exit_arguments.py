"""Exit rules from the command line: `--stop-loss 2%`, and what a document says of them."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stratkernel.engine.exits import ExitRules


def add_exit_arguments(group: Any) -> None:
    """Flags of every command that trades."""
    group.add_argument(
        "--stop-loss", metavar="P", help="leave a position that loses this much of its entry price, as 2%%"
    )
    group.add_argument("--take-profit", metavar="P", help="leave a position that gained this much, as 5%%")
    group.add_argument(
        "--trailing-stop", metavar="P", help="leave a position that fell this far from its best price, as 3%%"
    )
    group.add_argument("--max-bars", metavar="N", help="leave a position after so many candles")


def exit_rules_of(arguments: argparse.Namespace, document: Mapping[str, Any] | None = None) -> "ExitRules":
    """The rules of a document, each beaten by its flag; `none` as a flag takes the document's rule away.

    `document` maps names of rules to their values, as the field `exits` of a strategy document does.

    Raises:
        UsageError: a flag that is no percentage or number, or a value out of bounds.
    """
    from stratkernel.engine.exits import ExitRules, parse_count, parse_fraction

    values = dict(document or {})
    for name in ("stop_loss", "take_profit", "trailing_stop"):
        text = getattr(arguments, name)
        if text is not None:
            values[name] = parse_fraction(f"--{name.replace('_', '-')}", text)
    if arguments.max_bars is not None:
        values["max_bars"] = parse_count("--max-bars", arguments.max_bars)
    return ExitRules.of(values)
