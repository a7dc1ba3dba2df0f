"""The fence: everything that a plugin raises becomes one error; a real Ctrl-C does not."""

import gc
import signal
import sys
import weakref
from functools import partial

import pytest

from stratkernel.kernel.errors import ParameterError, PluginContractError, PluginError
from stratkernel.kernel.guard import contained, guard, own_stdout, real_interrupts


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("even my name fails")


# the twelve of fault row P1, and what P2 adds
ERRORS = [
    ValueError("v"),
    KeyError("k"),
    ZeroDivisionError("z"),
    RecursionError("r"),
    MemoryError("m"),
    StopIteration("s"),
    StopAsyncIteration("a"),
    AssertionError("x"),
    NotImplementedError("n"),
    OSError(5, "o"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "u"),
    UnspeakableError(),
    ExceptionGroup("g", [ValueError("one"), TypeError("two")]),
    SystemExit(3),
    GeneratorExit("g"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_guard_turns_any_exception_into_a_plugin_error(error: BaseException) -> None:
    with pytest.raises(PluginError) as caught, guard("strategy 'x' (acme 1)", "in calculate"):
        raise error
    assert str(caught.value).startswith(f"strategy 'x' (acme 1) failed in calculate: {type(error).__name__}")
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_contained_hands_any_exception_over_and_goes_on(error: BaseException) -> None:
    seen: list[BaseException] = []
    with contained(seen.append):
        raise error
    assert seen == [error]


def test_guard_without_failure_says_nothing() -> None:
    with guard("who", "doing"):
        pass


def test_guard_asks_for_its_text_only_when_it_fails() -> None:
    asked: list[str] = []

    def doing() -> str:
        asked.append("on 3 candles")
        return asked[-1]

    with guard("who", doing):
        pass
    assert not asked
    with pytest.raises(PluginError, match=r"^who failed on 3 candles: ValueError: v$"), guard("who", doing):
        raise ValueError("v")


def test_guard_lets_go_of_what_it_was_given_at_once() -> None:
    class Candles:
        def __str__(self) -> str:
            return "candles"

    gc.disable()  # in a cycle they would keep their memory until the next collection
    try:
        given = Candles()
        watched = weakref.ref(given)
        with guard("who", partial(str, given)):
            pass
        del given
        assert watched() is None
    finally:
        gc.enable()


def test_guard_lets_plugin_errors_pass_as_they_are() -> None:
    with pytest.raises(PluginContractError, match=r"^as it is$"), guard("who", "doing"):
        raise PluginContractError("as it is")


def test_guard_passes_errors_of_the_type_that_is_asked_for() -> None:
    with pytest.raises(ParameterError, match=r"^mine$"), guard("who", "doing", passing=ParameterError):
        raise ParameterError("mine")
    with pytest.raises(PluginError, match="failed doing: ParameterError"), guard("who", "doing"):
        raise ParameterError("mine")


def test_guard_hints_at_read_only_arrays() -> None:
    with pytest.raises(PluginError, match="work on a copy"), guard("who", "doing"):
        raise ValueError("assignment destination is read-only")


def test_p2_keyboard_interrupt_raised_by_a_plugin_is_its_failure() -> None:
    with (
        real_interrupts(),
        pytest.raises(PluginError, match="failed doing: KeyboardInterrupt"),
        guard("who", "doing"),
    ):
        raise KeyboardInterrupt


def test_p2_interrupt_from_the_keyboard_passes_the_guard() -> None:
    with real_interrupts(), pytest.raises(KeyboardInterrupt), guard("who", "doing"):
        signal.raise_signal(signal.SIGINT)


def test_keyboard_interrupt_counts_as_real_where_nobody_tells_it_apart() -> None:
    with pytest.raises(KeyboardInterrupt), guard("who", "doing"):
        raise KeyboardInterrupt


def test_real_interrupts_puts_the_handler_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with real_interrupts():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_real_interrupts_respects_an_ignored_signal() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with real_interrupts():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_own_stdout_sends_what_plugins_print_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with own_stdout():
        print("before")  # noqa: T201 - this and what follows is the test
        with contained(lambda error: None):
            print("from the plugin")  # noqa: T201 - as above
            with guard("who", "doing"):
                sys.stdout.write("from within\n")
        print("after")  # noqa: T201 - as above
    print("outside")  # noqa: T201 - as above
    output = capsys.readouterr()
    assert output.out == "before\nafter\noutside\n"
    assert output.err == "from the plugin\nfrom within\n"
