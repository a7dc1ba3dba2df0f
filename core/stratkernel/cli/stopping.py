"""Ctrl-C and SIGTERM ask long work to end, and to keep what it has; the second one ends it at once."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType
from typing import Any, Final

_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@contextmanager
def stopping(*, at_once: bool) -> Iterator[Event]:
    """Within, the first signal sets the event; `at_once`, and every further signal, raises KeyboardInterrupt.

    Work in this very process cannot be waited for: it is ended at once, and what it had begun is undone.
    """
    handler = _Handler(at_once=at_once)
    before: dict[int, Any] = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield handler.asked
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


class _Handler:
    """`interrupted` tells a real interrupt from a plugin that raises KeyboardInterrupt."""

    def __init__(self, *, at_once: bool) -> None:
        self.asked = Event()
        self.interrupted = False
        self._at_once = at_once

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        again = self.asked.is_set()
        self.asked.set()
        if self._at_once or again:
            self.interrupted = True
            raise KeyboardInterrupt
        print("stratkernel: stopping; what is finished is kept", file=sys.stderr, flush=True)
