"""Show every setting, its value and where it comes from: flag, environment, settings.json or default."""

import argparse
import json
from typing import Any

from stratkernel.cli.config_support import print_json, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    group = parser.add_argument_group("values that beat the environment and the file")
    group.add_argument("--database-url", metavar="URL")
    group.add_argument("--log-level", choices=("debug", "info", "warning", "error"))
    group.add_argument("--executor", metavar="URL")
    group.add_argument("--ui-host", metavar="HOST")
    group.add_argument("--ui-port", metavar="PORT")


def execute(arguments: argparse.Namespace) -> int:
    from stratkernel_config.user_settings import load_settings

    flags = ("home", "database_url", "log_level", "executor", "ui_host", "ui_port")
    settings = load_settings({name: getattr(arguments, name) for name in flags}).shown()
    if arguments.json:
        print_json(settings)
        return 0
    rows = [(each["name"], _text(each["value"]), each["origin"]) for each in settings]
    print_table(("SETTING", "VALUE", "FROM"), rows)
    return 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "-" if value in (None, [], {}) else json.dumps(value)
