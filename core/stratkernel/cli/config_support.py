"""What the commands of `stratkernel config` share: managers, fields, how documents are printed."""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from stratkernel.cli.session import open_kernel, warn_of_broken_plugins
from stratkernel.kernel.errors import UsageError, one_line

if TYPE_CHECKING:
    from stratkernel.kernel.manager import Kernel
    from stratkernel_config.managers import DocumentManager, SavedDocument

KINDS: Final = ("strategy", "indicator")


def add_kind(parser: argparse.ArgumentParser) -> None:
    """`--kind`: strategies are meant unless it is said."""
    parser.add_argument("--kind", choices=KINDS, default="strategy", help="(default: strategy)")


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--json", action="store_true", help=f"print {what}")


def add_fields(parser: argparse.ArgumentParser) -> None:
    """Flags for what a document says beside its parameters."""
    group = parser.add_argument_group("other fields")
    group.add_argument("--description", metavar="TEXT", help="for people")
    group.add_argument("--category", metavar="TEXT", help="as trend, or mean reversion")
    group.add_argument("--timeframe", metavar="TF", help="of the candles, as 1h; 'none' takes it back")
    group.add_argument("--tags", metavar="A,B", help="words to find it by, commas between")
    group.add_argument("--gaps", choices=("continue", "reset", "fill"), help="at missing candles")
    group.add_argument("--max-gap", type=int, metavar="N", help="gaps of up to N candles are ignored")
    group.add_argument("--pane", choices=("price", "own"), help="where a chart shows an indicator")
    group.add_argument("--color", metavar="#RRGGBB", help="of an indicator's lines")


def fields_from(arguments: argparse.Namespace, before: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that the flags change, as the document holds them; `before` is what it holds now."""
    fields: dict[str, Any] = {}
    for name in ("description", "category", "timeframe"):
        if getattr(arguments, name) is not None:
            fields[name] = getattr(arguments, name)
    if fields.get("timeframe") == "none":
        fields["timeframe"] = None
    if arguments.tags is not None:
        fields["tags"] = [tag.strip() for tag in arguments.tags.split(",") if tag.strip()]
    gaps = {"policy": arguments.gaps, "max_gap": arguments.max_gap}
    display = {"pane": arguments.pane, "color": arguments.color}
    for name, changes in {"gaps": gaps, "display": display}.items():
        said = {key: value for key, value in changes.items() if value is not None}
        if said:
            fields[name] = {**(before.get(name) or {}), **said}
    return fields


def managers_of(kernel: "Kernel") -> "dict[str, DocumentManager[Any]]":
    """The managers of the project home, by kind."""
    from stratkernel.engine.catalogue import KernelCatalogue
    from stratkernel_config.home import project_home
    from stratkernel_config.managers import IndicatorManager, StrategyManager

    home, catalogue = project_home(), KernelCatalogue(kernel)
    return {"strategy": StrategyManager(home, catalogue), "indicator": IndicatorManager(home, catalogue)}


def open_managers(arguments: argparse.Namespace) -> "dict[str, DocumentManager[Any]]":
    """As `managers_of`, with a kernel of this command's flags."""
    kernel = open_kernel(arguments)
    managers = managers_of(kernel)
    for manager in managers.values():
        manager.catalogue.items(manager.model.kind)  # so that broken plugins are known
    warn_of_broken_plugins(kernel, verbose=arguments.verbose)
    return managers


def open_manager(arguments: argparse.Namespace) -> "DocumentManager[Any]":
    """The manager of the kind that `--kind` names."""
    return open_managers(arguments)[arguments.kind]


def parse_assignments(texts: Sequence[str]) -> dict[str, Any]:
    """`fast_period=9` and the like. Raises `UsageError`."""
    from stratkernel.cli.parameters import parse_parameters

    for text in texts:
        if "=" not in text:
            raise UsageError(f"{text!r}: expected PARAMETER=VALUE, for example fast_period=9")
    return parse_parameters(texts)


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, allow_nan=False))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; the last one as it comes."""
    lines = [tuple(map(one_line, row)) for row in (headings, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings) - 1)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, [*widths, 0], strict=True)]
        print("  ".join(cells).rstrip())


def values_line(parameters: Mapping[str, Any]) -> str:
    """Parameters on one line."""
    return " ".join(f"{one_line(name)}={json.dumps(value)}" for name, value in parameters.items())


def saved_line(doing: str, saved: "SavedDocument[Any]") -> str:
    """What a command says that wrote a document."""
    return f"{doing} {saved.document.kind} {saved.document.name!r}: {saved.path}"
