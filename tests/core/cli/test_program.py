"""Commands, help and exit codes."""

import signal
import sys
from types import ModuleType
from typing import Any

import pytest

from stratkernel import __version__
from stratkernel.cli import program
from stratkernel.kernel.errors import DataError, UsageError
from stratkernel_config.errors import ConfigError


def acting(monkeypatch: pytest.MonkeyPatch, action: Any) -> None:
    """Make `stratkernel act`, a command that does this."""
    module: Any = ModuleType("acting_command", "Act.")
    module.add_arguments = lambda parser: parser.add_argument("--number", type=int)
    module.execute = action
    monkeypatch.setitem(sys.modules, "acting_command", module)
    monkeypatch.setitem(program.COMMANDS, "act", ("acting_command", "act"))


def raising(error: BaseException) -> Any:
    def action(arguments: Any) -> int:
        raise error

    return action


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_lists_every_command(stratkernel: Any, arguments: tuple[str, ...]) -> None:
    result = stratkernel(*arguments)
    assert result.code == 0
    assert result.err == ""
    for name in program.COMMANDS:
        assert f"\n  {name} " in result.out


def test_version_is_printed(stratkernel: Any) -> None:
    result = stratkernel("--version")
    assert (result.code, result.out) == (0, f"stratkernel {__version__}\n")


@pytest.mark.parametrize("command", sorted(program.COMMANDS))
def test_every_command_has_help_with_the_common_flags(stratkernel: Any, command: str) -> None:
    result = stratkernel(command, "--help")
    assert result.code == 0
    for flag in ("--no-plugins", "--strict-plugins", "-v, --verbose"):
        assert flag in result.out


def test_unknown_command_is_a_usage_error_with_a_guess(stratkernel: Any) -> None:
    result = stratkernel("plugns")
    assert result.code == 2
    assert result.out == ""
    assert "unknown command 'plugns'. Did you mean 'plugins'? Expected one of: run, " in result.err


def test_unknown_flag_is_a_usage_error(stratkernel: Any) -> None:
    result = stratkernel("plugins", "--jsn")
    assert result.code == 2
    assert result.err == "stratkernel: unrecognized arguments: --jsn\nSee: stratkernel plugins --help\n"


def test_flag_is_not_guessed_from_its_beginning(stratkernel: Any) -> None:
    assert stratkernel("plugins", "--js").code == 2


def test_flags_may_stand_before_the_command(stratkernel: Any) -> None:
    assert stratkernel("--no-plugins", "plugins").out == stratkernel("plugins", "--no-plugins").out


def test_argument_of_wrong_type_is_a_usage_error(stratkernel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    acting(monkeypatch, lambda arguments: 0)
    result = stratkernel("act", "--number", "many")
    assert result.code == 2
    assert "argument --number: invalid int value: 'many'" in result.err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("say it so"), 2, "stratkernel: say it so\n"),
        (ConfigError("broken file"), 2, "stratkernel: broken file\n"),
        (DataError("bad candles"), 1, "stratkernel: bad candles\n"),
        (
            FileNotFoundError(2, "No such file", "x.csv"),
            1,
            "stratkernel: x.csv: No such file\n",
        ),
        (
            ZeroDivisionError("oops"),
            1,
            "stratkernel: an error of stratkernel itself: ZeroDivisionError: oops",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_become_one_message_and_an_exit_code(
    stratkernel: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, said: str
) -> None:
    acting(monkeypatch, raising(error))
    result = stratkernel("act")
    assert result.code == code
    assert said in result.err
    assert "Traceback" not in result.err
    verbose = stratkernel("act", "-v")
    assert verbose.code == code
    assert "Traceback (most recent call last):" in verbose.err
    assert said in verbose.err


def test_exit_code_of_a_command_is_kept(stratkernel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    acting(monkeypatch, lambda arguments: 4)
    assert stratkernel("act").code == 4


def test_interrupt_ends_with_130(stratkernel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(arguments: Any) -> int:
        signal.raise_signal(signal.SIGINT)
        return 0

    acting(monkeypatch, wait)
    before = signal.getsignal(signal.SIGINT)
    result = stratkernel("act")
    assert (result.code, result.err) == (130, "stratkernel: interrupted\n")
    assert signal.getsignal(signal.SIGINT) is before


def test_name_that_the_terminal_cannot_show_is_escaped(
    stratkernel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def show(arguments: Any) -> int:
        print("plugin \udcff")  # noqa: T201 - what a command does
        return 0

    acting(monkeypatch, show)
    result = stratkernel("act")
    assert (result.code, result.out) == (0, "plugin \\udcff\n")
