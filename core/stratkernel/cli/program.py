"""From arguments to a command and from an error to an exit code."""

import argparse
import io
import os
import sys
from importlib import import_module
from typing import Any, Final, NoReturn

from stratkernel._version import __version__
from stratkernel.kernel.errors import StratkernelError, UsageError, describe, did_you_mean
from stratkernel.kernel.guard import own_stdout, real_interrupts
from stratkernel_config.errors import ConfigError

DONE: Final = 0
FAILURE: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

COMMANDS: Final = {
    "run": ("stratkernel.cli.run", "signals and performance of a strategy over candles"),
    "demo": ("stratkernel.cli.demo", "three strategies over bundled daily candles"),
    "strategies": ("stratkernel.cli.strategies", "the strategies that are installed, and their parameters"),
    "plugins": ("stratkernel.cli.plugins", "what is installed, what it provides, why something is missing"),
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
        name, rest = _split(argv)
        code = _top_level(rest) if name is None else _command(name, rest)
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


def _split(argv: list[str]) -> tuple[str | None, list[str]]:
    """The command and its arguments; flags may stand before the command."""
    for position, argument in enumerate(argv):
        if argument.startswith("-"):
            if argument in {"-h", "--help", "--version"}:
                break
            continue
        if argument not in COMMANDS:
            raise UsageError(
                f"unknown command {argument!r}.{did_you_mean(argument, COMMANDS)} "
                f"Expected one of: {', '.join(COMMANDS)}"
            )
        return argument, argv[:position] + argv[position + 1 :]
    return None, argv


def _top_level(argv: list[str]) -> int:
    listing = "\n".join(f"  {name:<12}{text}" for name, (_, text) in COMMANDS.items())
    parser = Parser(
        prog="stratkernel",
        usage="stratkernel COMMAND [ARGUMENTS]",
        description="A microkernel for trading strategies: everything extends by pip.",
        epilog=f"commands:\n{listing}\n\n`stratkernel COMMAND --help` tells the arguments of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"stratkernel {__version__}")
    parser.parse_args(argv)
    parser.print_help()
    return DONE


def _command(name: str, argv: list[str]) -> int:
    module: Any = import_module(COMMANDS[name][0])
    parser = Parser(prog=f"stratkernel {name}", description=module.__doc__, allow_abbrev=False)
    module.add_arguments(parser)
    _add_common(parser)
    arguments = parser.parse_args(argv)
    with real_interrupts(), own_stdout():
        return int(module.execute(arguments))


def _add_common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("plugins and messages")
    group.add_argument("--no-plugins", action="store_true", help="load none but stratkernel's own plugins")
    group.add_argument("--strict-plugins", action="store_true", help="fail when any plugin does not work")
    group.add_argument("-v", "--verbose", action="store_true", help="show tracebacks")


def _report(error: Exception, *, verbose: bool) -> int:
    if verbose:
        _print_traceback(error)
    text = str(error)
    if isinstance(error, OSError):
        text = describe(error)
    elif not isinstance(error, StratkernelError | ConfigError):
        text = f"an error of stratkernel itself: {describe(error)} (-v shows where)"
    print(f"stratkernel: {text}", file=sys.stderr)
    return USAGE if isinstance(error, UsageError | ConfigError) else FAILURE


def _print_traceback(error: Exception) -> None:
    import traceback

    traceback.print_exception(error)
