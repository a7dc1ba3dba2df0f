"""`stratkernel config new | set | edit | copy | rename | delete | restore | upgrade`: change documents."""

import argparse
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stratkernel.cli.config_support import (
    add_fields,
    add_kind,
    fields_from,
    open_manager,
    parse_assignments,
    saved_line,
)
from stratkernel.kernel.errors import UsageError

if TYPE_CHECKING:
    from stratkernel_config.managers import DocumentManager, SavedDocument


def _new_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="letters, digits, '-', '_' and '.'")
    parser.add_argument(
        "--template", metavar="TEMPLATE", required=True, help="one that `stratkernel config templates` lists"
    )
    parser.add_argument(
        "--param", metavar="PARAMETER=VALUE", action="append", default=[], help="a parameter; repeatable"
    )
    add_fields(parser)
    add_kind(parser)


def new(arguments: argparse.Namespace) -> int:
    """Make a document of your own from a template."""
    manager = open_manager(arguments)
    fields = fields_from(arguments, manager.template(arguments.template).raw)
    parameters = parse_assignments(arguments.param)
    saved = manager.create(arguments.name, arguments.template, parameters, **fields)
    print(saved_line("made", saved))
    if arguments.kind == "strategy":
        print(f"run it: stratkernel run {saved.document.name} --data FILE")
    return 0


def _set_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument(
        "assignments", metavar="PARAMETER=VALUE", nargs="*", help="parameters, as fast_period=9"
    )
    parser.add_argument(
        "--unset", metavar="PARAMETER", action="append", default=[], help="back to the plugin's default"
    )
    add_fields(parser)
    add_kind(parser)


def set_values(arguments: argparse.Namespace) -> int:
    """Change parameters and other fields of a document."""
    from stratkernel_config.versions import upgraded

    manager = open_manager(arguments)
    stored = manager.store.read(arguments.name)
    raw = stored.parse()  # it need not be valid: what is said here may mend it
    if not isinstance(raw, dict) or not isinstance(raw.get("parameters", {}), dict):
        raise UsageError(f"{stored.path}: not an object with parameters; see: config edit {arguments.name}")
    raw = upgraded(raw, str(stored.path))
    changed = parse_assignments(arguments.assignments)
    fields = fields_from(arguments, raw)
    if not (changed or fields or arguments.unset):
        raise UsageError("nothing to change; say PARAMETER=VALUE, for example fast_period=9, or a flag")
    parameters = {**raw.get("parameters", {}), **changed}
    for name in arguments.unset:
        if parameters.pop(name, None) is None:
            raise UsageError(f"--unset {name}: the document says {', '.join(parameters) or 'no parameters'}")
    raw |= {**fields, "parameters": parameters}
    saved = manager.update(arguments.name, raw, expected_hash=stored.content_hash)
    print(saved_line("saved", saved))
    return 0


def _edit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a document, valid or not")
    add_kind(parser)


def edit(arguments: argparse.Namespace) -> int:
    """Change a document in the editor that VISUAL or EDITOR names; it is checked before it is saved."""
    from stratkernel_config.documents import parse_json, read_bytes
    from stratkernel_config.errors import ConfigError

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise UsageError("no editor; set EDITOR, for example: export EDITOR=nano")
    manager = open_manager(arguments)
    stored = manager.store.read(arguments.name)
    folder = Path(tempfile.mkdtemp(prefix="stratkernel-"))
    temporary = folder / stored.path.name
    temporary.write_bytes(stored.data)
    _run_editor(editor, temporary)
    data = read_bytes(temporary)
    if data == stored.data:
        print("nothing was changed")
    else:
        try:
            raw = parse_json(data, str(temporary))
            if not isinstance(raw, dict):
                raise UsageError(f"{temporary}: expected an object")
            saved = manager.update(arguments.name, raw, expected_hash=stored.content_hash)
        except ConfigError as error:
            raise UsageError(f"{error}\nnot saved; what you wrote is in {temporary}") from None
        print(saved_line("saved", saved))
    temporary.unlink()
    folder.rmdir()
    return 0


def _run_editor(editor: str, file: Path) -> None:
    command = [*shlex.split(editor), str(file)]
    try:
        code = subprocess.run(command, check=False).returncode  # noqa: S603 - the user's own editor
    except OSError as error:
        raise UsageError(f"the editor {editor!r} cannot be started: {error.strerror or error}") from None
    if code:
        raise UsageError(f"the editor {editor!r} ended with {code}; not saved, what you wrote is in {file}")


def _two_names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("new_name", metavar="NEW_NAME")
    add_kind(parser)


def copy(arguments: argparse.Namespace) -> int:
    """Save a copy of a document under another name."""
    print(saved_line("made", open_manager(arguments).duplicate(arguments.name, arguments.new_name)))
    return 0


def rename(arguments: argparse.Namespace) -> int:
    """Give a document another name."""
    print(saved_line("renamed to", open_manager(arguments).rename(arguments.name, arguments.new_name)))
    return 0


def _one_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    add_kind(parser)


def delete(arguments: argparse.Namespace) -> int:
    """Move a document to the trash; `stratkernel config restore` takes it back."""
    target = open_manager(arguments).delete(arguments.name)
    print(f"moved to the trash: {target}")
    return 0


def restore(arguments: argparse.Namespace) -> int:
    """Take back the document of this name that was deleted last."""
    print(saved_line("restored", open_manager(arguments).restore(arguments.name)))
    return 0


def _upgrade_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="NAME", nargs="*", help="all that are valid when none is said")
    add_kind(parser)


def upgrade(arguments: argparse.Namespace) -> int:
    """Write documents of an older schema version in the newest; the old file stays as NAME.json.bak."""
    manager = open_manager(arguments)
    names = arguments.names or [each.name for each in manager.list() if each.valid]
    for name in names:
        _upgrade_one(manager, name)
    return 0


def _upgrade_one(manager: "DocumentManager[Any]", name: str) -> None:
    version, saved = manager.upgrade(name)
    newest = saved.document.schema_version
    if version == newest:
        print(f"{name}: has schema version {newest}, the newest")
    else:
        print(f"{name}: schema version {version} is now {newest}: {_backup(saved)}")


def _backup(saved: "SavedDocument[Any]") -> str:
    return f"{saved.path}, the old file is {saved.path.name}.bak"


COMMANDS: Final = {
    "new": (_new_arguments, new),
    "set": (_set_arguments, set_values),
    "edit": (_edit_arguments, edit),
    "copy": (_two_names, copy),
    "rename": (_two_names, rename),
    "delete": (_one_name, delete),
    "restore": (_one_name, restore),
    "upgrade": (_upgrade_arguments, upgrade),
}
