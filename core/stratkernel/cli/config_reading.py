"""`stratkernel config templates | list | show | validate | schema`: look at documents."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stratkernel.cli.config_support import (
    add_json,
    add_kind,
    open_manager,
    print_json,
    print_table,
    values_line,
)
from stratkernel.kernel.errors import one_line

if TYPE_CHECKING:
    from stratkernel_config.managers import DocumentManager, ListedDocument, SavedDocument
    from stratkernel_config.templates import Template


def _templates_arguments(parser: argparse.ArgumentParser) -> None:
    add_kind(parser)
    add_json(parser, "a JSON list")


def templates(arguments: argparse.Namespace) -> int:
    """List the templates that the installed plugins bring along."""
    found = open_manager(arguments).templates()
    if arguments.json:
        print_json([_template_dict(template, arguments.kind) for template in found])
        return 0
    if not found:
        print('no templates are installed; try: pip install "stratkernel[strategies]"')
    for template in found:
        print(f"{one_line(template.name)}  ({template.installed.qualified} {template.installed.version})")
        if template.checked is None:
            _print_problems(template.errors)
            continue
        print(f"    {one_line(template.checked.document.description)}")
        print(f"    {values_line(template.checked.parameters)}")
    return 0


def _template_dict(template: "Template[Any]", kind: str) -> dict[str, Any]:
    checked = template.checked
    return {
        "name": template.name,
        "id": template.qualified,
        kind: template.installed.qualified,
        "version": template.installed.version,
        "description": template.raw.get("description", ""),
        "category": template.raw.get("category", ""),
        "tags": template.raw.get("tags", []),
        "parameters": None if checked is None else dict(checked.parameters),
        "valid": checked is not None,
        "errors": [problem.to_dict() for problem in template.errors],
    }


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    add_kind(parser)
    add_json(parser, "a JSON list")


def list_documents(arguments: argparse.Namespace) -> int:
    """List your documents; those that are not valid with everything that is wrong with them."""
    manager = open_manager(arguments)
    found = manager.list()
    if arguments.json:
        print_json([_listed_dict(manager, each) for each in found])
        return 0
    if not found:
        print(f"no documents in {manager.store.folder}; try: stratkernel config new NAME --template TEMPLATE")
        return 0
    print_table(("NAME", manager.model.kind.upper(), "TIMEFRAME", "PARAMETERS"), map(_row, found))
    for each in found:
        if each.errors:
            print(f"\n{one_line(each.name)}:")
            _print_problems(each.errors)
    return 0


def _row(listed: "ListedDocument[Any]") -> tuple[str, str, str, str]:
    if listed.saved is None:
        count = len(listed.errors)
        return (
            listed.name,
            listed.subject or "-",
            "-",
            f"not valid: {count} error{'s' if count > 1 else ''}, see below",
        )
    document = listed.saved.document
    return listed.name, document.subject, document.timeframe or "-", values_line(document.parameters)


def _listed_dict(manager: "DocumentManager[Any]", listed: "ListedDocument[Any]") -> dict[str, Any]:
    document = None if listed.saved is None else listed.saved.document
    return {
        "name": listed.name,
        manager.model.kind: listed.subject,
        "valid": listed.valid,
        "errors": [problem.to_dict() for problem in listed.errors],
        "timeframe": None if document is None else document.timeframe,
        "category": None if document is None else document.category,
        "tags": None if document is None else document.tags,
        "parameters": None if document is None else document.parameters,
        "path": str(listed.path),
    }


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a document, or with --template a template")
    parser.add_argument("--template", action="store_true", help="show a template")
    add_kind(parser)
    add_json(parser, "one JSON object")


def show(arguments: argparse.Namespace) -> int:
    """Show a document, its parameters with the defaults of those that it leaves out."""
    manager = open_manager(arguments)
    if arguments.template:
        _show_template(manager.template(arguments.name), arguments.kind, as_json=arguments.json)
    else:
        _show_saved(manager.get(arguments.name), as_json=arguments.json)
    return 0


def _show_template(template: "Template[Any]", kind: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_template_dict(template, kind))
        return
    assert template.checked is not None
    print(f"template {template.qualified} {template.installed.version}")
    _print_document(template.checked)


def _show_saved(saved: "SavedDocument[Any]", *, as_json: bool) -> None:
    checked = saved.checked
    if as_json:
        print_json(
            {
                "document": dict(saved.raw),
                "parameters": dict(checked.parameters),
                "defaults": sorted(checked.defaults),
                "plugin": {"id": checked.installed.qualified, "version": checked.installed.version},
                "content_hash": saved.content_hash,
                "path": str(saved.path),
            }
        )
        return
    print(f"{saved.document.kind} document {saved.document.name}: {saved.path}")
    if saved.version_on_disk != saved.document.schema_version:
        print(
            f"schema version {saved.version_on_disk} on disk, read as {saved.document.schema_version}; "
            f"`stratkernel config upgrade {saved.document.name}` writes it anew"
        )
    _print_document(checked)


def _print_document(checked: Any) -> None:
    document = checked.document
    dumped = document.model_dump(mode="json", exclude_unset=True)
    for name, value in dumped.items():
        if name in {
            document.kind,
            "description",
            "category",
            "timeframe",
            "tags",
            "gaps",
            "display",
            "requires",
        }:
            text = values_line(value) if isinstance(value, dict) else value
            line = ", ".join(text) if isinstance(text, list) else str(text)
            print(f"  {name:<16}{one_line(line)}")
    print("  parameters")
    for name, value in checked.parameters.items():
        note = "  (default)" if name in checked.defaults else ""
        print(f"    {values_line({name: value})}{note}")


def _validate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a document or a path; all when none is said"
    )
    add_kind(parser)
    add_json(parser, "a JSON list")


def validate(arguments: argparse.Namespace) -> int:
    """Check documents; the exit code is 1 when one is not valid."""
    from stratkernel.cli.strategy_argument import is_path
    from stratkernel_config.errors import ConfigError
    from stratkernel_config.managers import problems_of

    manager = open_manager(arguments)
    results: dict[str, Any] = {}
    for name in arguments.names or manager.store.names():
        try:
            if is_path(name):
                manager.load(Path(name))
            else:
                manager.get(name)
            results[name] = ()
        except ConfigError as error:
            results[name] = problems_of(error, Path(name))
    if arguments.json:
        print_json(
            [
                {"name": name, "valid": not problems, "errors": [problem.to_dict() for problem in problems]}
                for name, problems in results.items()
            ]
        )
    else:
        for name, problems in results.items():
            print(f"{name}: {'not valid' if problems else 'valid'}")
            _print_problems(problems)
    return int(any(results.values()))


def _schema_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "subject", nargs="?", metavar="STRATEGY", help="one only; all that are installed if not said"
    )
    add_kind(parser)


def schema(arguments: argparse.Namespace) -> int:
    """Print the JSON Schema (draft 2020-12) of documents, for editors."""
    from stratkernel_config.schema import document_schema

    manager = open_manager(arguments)
    print_json(document_schema(manager.model, manager.catalogue, arguments.subject))
    return 0


def _print_problems(problems: Any) -> None:
    for problem in problems:
        print(f"    {problem}")


COMMANDS: Final = {
    "templates": (_templates_arguments, templates),
    "list": (_list_arguments, list_documents),
    "show": (_show_arguments, show),
    "validate": (_validate_arguments, validate),
    "schema": (_schema_arguments, schema),
}
