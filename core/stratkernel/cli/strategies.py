"""List the strategies that plugins provide, with their parameters, defaults and bounds."""

import argparse
import json
from typing import Any

from stratkernel.cli.session import open_kernel, warn_of_broken_plugins
from stratkernel.kernel.kinds import STRATEGY
from stratkernel.kernel.registry import Item


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", metavar="STRATEGY", help="one strategy only, or a document of yours"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list, with a JSON Schema each")


def execute(arguments: argparse.Namespace) -> int:
    from stratkernel.cli.strategy_argument import strategy_item
    from stratkernel.contracts.strategy import BaseStrategy

    kernel = open_kernel(arguments)
    items = (strategy_item(kernel, arguments.name),) if arguments.name else kernel.items(STRATEGY)
    warn_of_broken_plugins(kernel, verbose=arguments.verbose)
    if arguments.json:
        print(json.dumps([_as_dict(item) for item in items], indent=2))
        return 0
    if not items:
        print('no strategy is installed; try: pip install "stratkernel[strategies]"')
    for item in items:
        print(f"{item.name}  ({item.record.distribution} {item.record.version})")
        summary = (item.cls.__doc__ or "").strip().partition("\n")[0]
        print(f"    {summary}")
        if item.cls.window is None and item.cls.advance is BaseStrategy.advance:
            print("    recalculates the whole history at every candle: simple, and slow")
        for name, schema in item.cls.Params.model_json_schema().get("properties", {}).items():
            print(f"    --param {name}={schema.get('default', '...')}  {_limits(schema)}".rstrip())
    return 0


def _limits(schema: dict[str, Any]) -> str:
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema]
    parts = [schema.get("description", ""), f"({', '.join(limits)})" if limits else ""]
    return " ".join(part for part in parts if part)


def _as_dict(item: Item) -> dict[str, Any]:
    return {
        "name": item.name,
        "id": item.qualified,
        "version": item.record.version,
        "description": (item.cls.__doc__ or "").strip(),
        "window": item.cls.window,
        "parameters": item.cls.Params.model_json_schema(),
    }
