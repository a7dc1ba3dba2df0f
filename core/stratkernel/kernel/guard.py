"""The fence around every call into a plugin."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import IO, Any, Final, cast

from stratkernel.kernel.errors import PluginError, StratkernelError, describe

_in_plugin: Final = ContextVar("_in_plugin", default=False)


@contextmanager
def contained(on_failure: Callable[[BaseException], None]) -> Iterator[None]:
    """Hand whatever a plugin raises, SystemExit included, to `on_failure`, and go on.

    A real interrupt from the keyboard passes through.
    """
    before = _in_plugin.set(True)
    try:
        yield
    except BaseException as error:
        if _is_real_interrupt(error):
            raise
        on_failure(error)
    finally:
        _in_plugin.reset(before)


@contextmanager
def guard(who: str, doing: str, *, passing: type[StratkernelError] = PluginError) -> Iterator[None]:
    """Turn whatever a plugin raises into one `PluginError` that names it.

    Plugin errors pass through as they are, and so do errors of the type `passing`.
    """

    def fail(error: BaseException) -> None:
        if isinstance(error, PluginError | passing):
            raise error
        text = describe(error)
        hint = ""
        if isinstance(error, ValueError) and "read-only" in text:
            hint = " (what a plugin is given cannot be written to: work on a copy)"
        raise PluginError(f"{who} failed {doing}: {text}{hint}") from error

    with contained(fail):
        yield


class _InterruptHandler:
    """Raises KeyboardInterrupt as Python does, and remembers that it was the keyboard."""

    def __init__(self) -> None:
        self.interrupted = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.interrupted = True
        raise KeyboardInterrupt


@contextmanager
def real_interrupts() -> Iterator[None]:
    """Within, Ctrl-C can be told apart from a plugin that raises KeyboardInterrupt.

    For programs that own the process; elsewhere, and where somebody else handles SIGINT, every
    KeyboardInterrupt counts as real.
    """
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if not ours:
        yield
        return
    signal.signal(signal.SIGINT, _InterruptHandler())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_real_interrupt(error: BaseException) -> bool:
    if not isinstance(error, KeyboardInterrupt):
        return False
    handler = signal.getsignal(signal.SIGINT)
    return handler.interrupted if isinstance(handler, _InterruptHandler) else True


class _OwnOutput:
    """Standard output for the program, standard error for what plugins print."""

    def __init__(self, own: IO[str]) -> None:
        self._own = own

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr if _in_plugin.get() else self._own, name)


@contextmanager
def own_stdout() -> Iterator[None]:
    """Within, what plugins print goes to standard error: it must not end up in the middle of JSON."""
    with contextlib.redirect_stdout(cast("IO[str]", _OwnOutput(sys.stdout))):
        yield
