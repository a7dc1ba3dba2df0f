"""From arguments to a command and from an error to an exit code."""

import argparse
import io
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final, NoReturn, TypeAlias

from stratkernel._version import __version__
from stratkernel.cli.log_lines import log_on_stderr
from stratkernel.kernel.errors import StratkernelError, UsageError, describe, did_you_mean, one_line
from stratkernel.kernel.guard import own_stdout, real_interrupts
from stratkernel_config.errors import ConfigError
from stratkernel_config.home import using_home

DONE: Final = 0
FAILURE: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

Commands: TypeAlias = Mapping[str, tuple[str, str]]
"""For each command its module, imported when it is called, and a line of help."""

COMMANDS: Final[Commands] = {
    "run": ("stratkernel.cli.run", "signals and performance of a strategy over candles"),
    "check-lookahead": (
        "stratkernel.cli.check_lookahead",
        "whether a strategy sees candles that it could not have known",
    ),
    "data": ("stratkernel.cli.data", "candles in the database: import, list, check, export, delete"),
    "runs": ("stratkernel.cli.runs", "runs that were saved: list, show, compare, star, delete"),
    "signals": ("stratkernel.cli.signals", "signals of saved runs: export, stats"),
    "db": ("stratkernel.cli.db", "the database itself: upgrade, check, backup, clean, copy"),
    "batch": ("stratkernel.cli.batch", "many strategies over many candles, on all processors or a cluster"),
    "sweep": ("stratkernel.cli.sweep", "a strategy with every combination of some parameters, ranked"),
    "demo": ("stratkernel.cli.demo", "three strategies over bundled daily candles"),
    "strategies": ("stratkernel.cli.strategies", "the strategies that are installed, and their parameters"),
    "plugins": ("stratkernel.cli.plugins", "what is installed, what it provides, why something is missing"),
    "init": ("stratkernel.cli.init", "make a project home: settings, templates, a place for your strategies"),
    "config": (
        "stratkernel.cli.config",
        "your strategies and indicator presets: new, set, show, export, ...",
    ),
    "settings": ("stratkernel.cli.settings", "every setting, and where its value comes from"),
}


class Parser(argparse.ArgumentParser):
    """argparse, with the house's way to say what is wrong."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\nSee: {self.prog} --help")


def run_program(argv: list[str]) -> int:
    """Find the command, run it, and turn what it raises into one message and an exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name of a plugin may not fit the terminal
    try:
        name, rest = _split(argv, COMMANDS)
        code = _overview("", rest, COMMANDS) if name is None else _command(name, rest)
        sys.stdout.flush()
    except SystemExit as done:
        return int(done.code or DONE)  # argparse has printed its help
    except KeyboardInterrupt:
        print("stratkernel: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read the output has seen enough; keep Python from complaining at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except Exception as error:  # noqa: BLE001 - users get a message; the traceback comes with -v
        return _report(error, verbose=not {"-v", "--verbose"}.isdisjoint(argv))
    return code


def _split(argv: list[str], commands: Commands, group: str = "") -> tuple[str | None, list[str]]:
    """The command and its arguments; flags may stand before the command."""
    for position, argument in enumerate(argv):
        if argument.startswith("-"):
            if argument in {"-h", "--help", "--version"}:
                break
            continue
        if argument not in commands:
            raise UsageError(
                f"unknown command {f'{group} {argument}'.strip()!r}.{did_you_mean(argument, commands)} "
                f"Expected one of: {', '.join(commands)}"
            )
        return argument, argv[:position] + argv[position + 1 :]
    return None, argv


def _overview(group: str, argv: list[str], commands: Commands, description: str | None = None) -> int:
    """The help of the program, or of a group of commands."""
    program = f"stratkernel {group}".strip()
    listing = "\n".join(f"  {name:<17}{text}" for name, (_, text) in commands.items())
    parser = Parser(
        prog=program,
        usage=f"{program} COMMAND [ARGUMENTS]",
        description=description or "A microkernel for trading strategies: everything extends by pip.",
        epilog=f"commands:\n{listing}\n\n`{program} COMMAND --help` tells the arguments of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"stratkernel {__version__}")
    if group:
        _add_common(parser)
    parser.parse_args(argv)
    parser.print_help()
    return DONE


def _command(name: str, argv: list[str]) -> int:
    """A module with `add_arguments` and `execute`, or one with `SUBCOMMANDS`, a group of commands."""
    module: Any = import_module(COMMANDS[name][0])
    group: Commands | None = getattr(module, "SUBCOMMANDS", None)
    if group is None:
        return _call(name, argv, module.__doc__, module.add_arguments, module.execute)
    chosen, rest = _split(argv, group, name)
    if chosen is None:
        return _overview(name, rest, group, module.__doc__)
    add_arguments, execute = import_module(group[chosen][0]).COMMANDS[chosen]
    return _call(f"{name} {chosen}", rest, execute.__doc__, add_arguments, execute)


def _call(
    name: str,
    argv: list[str],
    description: str | None,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    execute: Callable[[argparse.Namespace], int],
) -> int:
    parser = Parser(prog=f"stratkernel {name}", description=description, allow_abbrev=False)
    add_arguments(parser)
    _add_common(parser)
    arguments = parser.parse_args(argv)
    with real_interrupts(), own_stdout(), using_home(arguments.home), log_on_stderr():
        return int(execute(arguments))


def _add_common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("home, plugins and messages")
    group.add_argument("--home", metavar="DIR", help="the project home (default: STRATKERNEL_HOME)")
    group.add_argument("--no-plugins", action="store_true", help="load none but stratkernel's own plugins")
    group.add_argument("--strict-plugins", action="store_true", help="fail when any plugin does not work")
    group.add_argument("-v", "--verbose", action="store_true", help="show tracebacks")


def _report(error: Exception, *, verbose: bool) -> int:
    if verbose:
        _print_traceback(error)
    text = str(error)
    if isinstance(error, OSError):
        named = error.filename is not None and error.strerror
        text = one_line(f"{error.filename}: {error.strerror}") if named else describe(error)
    elif not isinstance(error, StratkernelError | ConfigError):
        text = f"an error of stratkernel itself: {describe(error)} (-v shows where)"
    print(f"stratkernel: {text}", file=sys.stderr)
    return USAGE if isinstance(error, UsageError | ConfigError) else FAILURE


def _print_traceback(error: Exception) -> None:
    import traceback

    traceback.print_exception(error)
