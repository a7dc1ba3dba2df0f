"""The kernel of one command: which plugins may load, and what is said of the broken ones."""

import argparse
import os
import sys
from typing import Final

from stratkernel.kernel.errors import UsageError, one_line
from stratkernel.kernel.manager import Kernel
from stratkernel.kernel.selection import ALLOW_LIST, PluginSelection
from stratkernel_config.settings import disabled_plugins, preferred_providers

DISABLE_LIST: Final = "STRATKERNEL_DISABLE"
PREFER_LIST: Final = "STRATKERNEL_PREFER"
_YES: Final = {"1", "true", "yes", "on"}
_NO: Final = {"", "0", "false", "no", "off"}


def open_kernel(arguments: argparse.Namespace) -> Kernel:
    """A kernel with the selection of flags, environment and settings.

    Raises:
        PluginError: with `--strict-plugins`, when a plugin is neither active nor disabled.
        UsageError, ConfigError: a variable or the settings file cannot be used.
    """
    kernel = find_kernel(arguments)
    if is_strict(arguments):
        kernel.collect_all()
        kernel.require_healthy()
    return kernel


def find_kernel(arguments: argparse.Namespace) -> Kernel:
    """As `open_kernel`, but a broken plugin is no error, whatever the flags say."""
    kernel = Kernel(selection(arguments))
    for warning in kernel.selection.warnings(kernel.records):
        print(f"stratkernel: {one_line(warning)}", file=sys.stderr)
    return kernel


def selection(arguments: argparse.Namespace) -> PluginSelection:
    """What flags, environment and settings say of plugins."""
    return PluginSelection(
        no_plugins=arguments.no_plugins or _flag("STRATKERNEL_NO_PLUGINS"),
        allowed=_list(ALLOW_LIST) or None,
        disabled={DISABLE_LIST: _list(DISABLE_LIST), "plugins.disabled in settings.json": disabled_plugins()},
        preferred={**preferred_providers(), **_pairs(PREFER_LIST)},
    )


def is_strict(arguments: argparse.Namespace) -> bool:
    """Whether a plugin that does not work is a failure of the command."""
    return bool(arguments.strict_plugins) or _flag("STRATKERNEL_STRICT_PLUGINS")


def warn_of_broken_plugins(kernel: Kernel, *, verbose: bool) -> None:
    """One line on stderr for each plugin that does not work, and how to do without it."""
    for record in kernel.records:
        if record.healthy:
            continue
        hint = f"to do without it: {DISABLE_LIST}={record.name}"
        print(f"stratkernel: {one_line(record.trouble)}; {hint}", file=sys.stderr)
        if verbose and record.error is not None:
            print(traceback_text(record.error), file=sys.stderr)


def traceback_text(error: BaseException) -> str:
    """The traceback of what a plugin raised."""
    import traceback

    return "".join(traceback.format_exception(error)).rstrip()


def _list(variable: str) -> frozenset[str]:
    names = os.environ.get(variable, "").split(",")
    return frozenset(name.strip() for name in names if name.strip())


def _pairs(variable: str) -> dict[str, str]:
    pairs = {}
    for text in _list(variable):
        name, equals, distribution = text.partition("=")
        if not (equals and name.strip() and distribution.strip()):
            raise UsageError(f"{variable}: {text!r}: expected NAME=DISTRIBUTION, for example rsi=acme-rsi")
        pairs[name.strip()] = distribution.strip()
    return pairs


def _flag(variable: str) -> bool:
    value = os.environ.get(variable, "")
    if value.strip().lower() not in _YES | _NO:
        raise UsageError(f"{variable}={value!r}: expected 1 or 0")
    return value.strip().lower() in _YES
