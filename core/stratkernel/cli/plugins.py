"""List the plugins of this environment: their state, what they provide, why one does not work."""

import argparse
from collections.abc import Sequence
from typing import Any, Final

from stratkernel.cli.session import find_kernel, is_strict, traceback_text
from stratkernel.kernel.errors import one_line
from stratkernel.kernel.manager import Kernel
from stratkernel.kernel.records import PluginRecord

_HEADER: Final = ("NAME", "DISTRIBUTION", "VERSION", "STATE", "PROVIDES")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 when a plugin is neither active nor disabled"
    )


def execute(arguments: argparse.Namespace) -> int:
    kernel = find_kernel(arguments)
    strict = is_strict(arguments)
    names = arguments.json or arguments.check or arguments.verbose or strict
    if names:
        kernel.collect_all()
    if arguments.json:
        _print_json(kernel, verbose=arguments.verbose)
    else:
        _print_table(kernel.records)
        if names:
            _print_ambiguous(kernel)
        if arguments.verbose:
            _print_details(kernel.records)
    if strict:
        kernel.require_healthy()
    return int(arguments.check and not all(record.healthy for record in kernel.records))


def _print_table(records: Sequence[PluginRecord]) -> None:
    rows = [
        (record.name, record.distribution, record.version, record.state.value, _provides(record))
        for record in records
    ]
    widths = [max(len(row[column]) for row in (_HEADER, *rows)) for column in range(len(_HEADER) - 1)]
    for row in (_HEADER, *rows):
        cells = [one_line(cell).ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)]
        print("  ".join(cells).rstrip())


def _provides(record: PluginRecord) -> str:
    if record.reason:
        return record.reason
    parts = [f"{kind}: {', '.join(names)}" if names else kind for kind, names in record.provides.items()]
    return "; ".join(parts)


def _print_ambiguous(kernel: Kernel) -> None:
    for items in kernel.ambiguous_items():
        ids = " or ".join(item.qualified for item in items)
        print(f"\nambiguous: {items[0].kind.name} '{items[0].name}'; use {ids}")


def _print_details(records: Sequence[PluginRecord]) -> None:
    for record in records:
        file = getattr(record.module, "__file__", None)
        if file or record.error is not None:
            print(f"\n{one_line(record.title)}: {file or record.target}")
        if record.error is not None:
            print(traceback_text(record.error))


def _print_json(kernel: Kernel, *, verbose: bool) -> None:
    import json

    shared = {item.qualified for items in kernel.ambiguous_items() for item in items}
    records = [_document(record, shared, verbose=verbose) for record in kernel.records]
    print(json.dumps(records, indent=2))


def _document(record: PluginRecord, shared: set[str], *, verbose: bool) -> dict[str, Any]:
    names = {f"{record.distribution}:{name}" for names in record.provides.values() for name in names}
    document: dict[str, Any] = {
        "name": record.name,
        "distribution": record.distribution,
        "version": record.version,
        "target": record.target,
        "state": record.state.value,
        "provides": {kind: list(names) for kind, names in record.provides.items()},
        "ambiguous": sorted(names & shared),
        "reason": record.reason or None,
    }
    if verbose:
        document["file"] = getattr(record.module, "__file__", None)
        document["traceback"] = None if record.error is None else traceback_text(record.error)
    return document
