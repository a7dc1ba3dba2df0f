"""Memory for results that is used again: fresh pages cost more than the kernels that fill them."""

import threading
import weakref
from collections import OrderedDict
from typing import Final

import numpy as np

from stratkernel.contracts.arrays import FloatArray

SMALLEST: Final = 1 << 14
"""Rows from which an array is worth keeping: from 128 KiB on, allocators may map fresh pages each time."""

MOST_IDLE_BYTES: Final = 256 * 1024 * 1024
"""Idle memory that is kept; what was given back longest ago goes first."""


class Workspace:
    """Lends float64 arrays and takes their memory back when the last view of one is gone.

    A lent array is a view of a memoryview. numpy does not look behind that when it makes views of the
    array, so all of them keep the array itself alive, and its end is the end of every use.
    """

    def __init__(self, most_idle_bytes: int = MOST_IDLE_BYTES) -> None:
        self._most_idle_bytes = most_idle_bytes
        self._idle: OrderedDict[int, FloatArray] = OrderedDict()
        self._lent: dict[int, tuple[weakref.ref[FloatArray], FloatArray]] = {}
        self._lock = threading.RLock()

    def empty(self, rows: int) -> FloatArray:
        """An uninitialised array of shape (rows,)."""
        if rows < SMALLEST:
            return np.empty(rows)
        with self._lock:
            memory = self._take(rows)
            lent: FloatArray = np.frombuffer(memory.data, dtype=np.float64)
            key = id(memory)
            self._lent[key] = weakref.ref(lent, lambda _: self._give_back(key)), memory
        return lent

    @property
    def idle_bytes(self) -> int:
        """Memory that waits for its next use."""
        return sum(memory.nbytes for memory in self._idle.values())

    def _take(self, rows: int) -> FloatArray:
        for key in reversed(self._idle):
            if len(self._idle[key]) == rows:
                return self._idle.pop(key)
        return np.empty(rows)

    def _give_back(self, key: int) -> None:
        with self._lock:
            _, memory = self._lent.pop(key)
            self._idle[key] = memory
            while self._idle and self.idle_bytes > self._most_idle_bytes:
                self._idle.popitem(last=False)


def is_lent(array: FloatArray) -> bool:
    """Whether the array came from a workspace and nobody else writes to its memory."""
    return isinstance(array.base, memoryview)


_WORKSPACE: Final = Workspace()
empty: Final = _WORKSPACE.empty
