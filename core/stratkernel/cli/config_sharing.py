"""`stratkernel config export | import`: documents in one file, for somebody else."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from stratkernel.cli.config_support import KINDS, add_json, open_managers, print_json
from stratkernel.kernel.errors import UsageError

if TYPE_CHECKING:
    from stratkernel_config.bundles import Ask, Collision
    from stratkernel_config.managers import DocumentManager


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="NAME", nargs="+", help="documents")
    parser.add_argument("-o", "--output", metavar="FILE.json", required=True, help="the file to write")
    parser.add_argument("--kind", choices=KINDS, help="where a strategy and an indicator share a name")


def export(arguments: argparse.Namespace) -> int:
    """Put documents and what they need into one file."""
    from stratkernel_config.bundles import make_bundle
    from stratkernel_config.files import write_json

    target = Path(arguments.output)
    if target.suffix != ".json":
        raise UsageError(f"--output {arguments.output}: expected a name that ends with .json")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"--output {arguments.output}: there is no folder {target.absolute().parent}")
    managers = open_managers(arguments)
    names = dict.fromkeys(arguments.names)
    bundle = make_bundle((_holder(managers, name, arguments.kind), name) for name in names)
    write_json(target, bundle, backup=False)
    print(f"wrote {len(names)} document{'s' if len(names) > 1 else ''} to {target}")
    for name, release in bundle["requires"].items():
        print(f"    needs {name}{release['range']} (made with {release['version']})")
    return 0


def _holder(
    managers: "dict[str, DocumentManager[Any]]", name: str, kind: str | None
) -> "DocumentManager[Any]":
    """The manager that has a document of this name; for an unknown one the first, which will say so."""
    if kind is not None:
        return managers[kind]
    holders = [manager for manager in managers.values() if name in manager.store.names()]
    if len(holders) > 1:
        raise UsageError(
            f"{name!r} is a strategy and an indicator of yours; say --kind strategy or indicator"
        )
    return holders[0] if holders else managers["strategy"]


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="what `stratkernel config export` wrote")
    group = parser.add_mutually_exclusive_group()
    for action, text in {
        "rename": "give those whose name is taken another one",
        "overwrite": "replace documents of the same name; the old ones stay as NAME.json.bak",
        "skip": "leave out those whose name is taken",
    }.items():
        group.add_argument(f"--{action}", dest="collision", action="store_const", const=action, help=text)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    add_json(parser, "a JSON list of what was done")


def import_file(arguments: argparse.Namespace) -> int:
    """Take all documents out of a file, or none; everything is checked first."""
    from stratkernel_config.bundles import import_bundle

    collision: Collision | Ask = arguments.collision or (
        _ask if sys.stdin.isatty() and not arguments.dry_run else "refuse"
    )
    managers = list(open_managers(arguments).values())
    plan = import_bundle(Path(arguments.file), managers, collision=collision, dry_run=arguments.dry_run)
    if arguments.json:
        print_json(
            [
                {"kind": step.kind, "name": step.name, "as": step.new_name, "action": step.action}
                for step in plan
            ]
        )
        return 0
    would = "would be " if arguments.dry_run else ""
    for step in plan:
        name = f"{step.name!r} as {step.new_name!r}" if step.name != step.new_name else repr(step.name)
        doing = "imported" if step.action in {"new", "renamed"} else step.action
        print(f"{step.kind} {name} {would}{doing}")
    return 0


def _ask(kind: str, name: str) -> "Collision":
    answers = {"r": "rename", "o": "overwrite", "s": "skip", "": "refuse"}
    print(
        f"{kind} {name!r} is there already: [r]ename, [o]verwrite, [s]kip, or Enter to stop? ",
        end="",
        flush=True,
    )
    return cast("Collision", answers.get(sys.stdin.readline().strip().lower()[:1], "refuse"))


COMMANDS: Final = {
    "export": (_export_arguments, export),
    "import": (_import_arguments, import_file),
}
