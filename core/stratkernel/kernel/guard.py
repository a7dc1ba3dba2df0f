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


class contained:  # noqa: N801 - reads as contextlib's own; a class, since generators cost three times as much
    """Within, whatever a plugin raises, SystemExit included, is handed to `on_failure` and goes no further.

    A real interrupt from the keyboard passes through.
    """

    def __init__(self, on_failure: Callable[[BaseException], None]) -> None:
        self._on_failure = on_failure

    def __enter__(self) -> None:
        self._before = _in_plugin.set(True)

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> bool:
        _in_plugin.reset(self._before)
        if error is None or _is_real_interrupt(error):
            return False
        self._failed(error)
        return True

    def _failed(self, error: BaseException) -> None:
        self._on_failure(error)


class guard(contained):  # noqa: N801 - as above
    """Within, whatever a plugin raises becomes one `PluginError` that names it.

    `doing` is a text, or a function that makes it when it is needed. Plugin errors pass through as they
    are, and so do errors of the type `passing`.
    """

    def __init__(
        self, who: str, doing: str | Callable[[], str], *, passing: type[StratkernelError] = PluginError
    ) -> None:
        self._who = who
        self._doing = doing
        self._passing = passing

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, PluginError | self._passing):
            raise error
        text = describe(error)
        hint = ""
        if isinstance(error, ValueError) and "read-only" in text:
            hint = " (what a plugin is given cannot be written to: work on a copy)"
        doing = self._doing if isinstance(self._doing, str) else self._doing()
        raise PluginError(f"{self._who} failed {doing}: {text}{hint}") from error


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
    if handler is signal.SIG_IGN:
        return False
    return bool(getattr(handler, "interrupted", True))


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
