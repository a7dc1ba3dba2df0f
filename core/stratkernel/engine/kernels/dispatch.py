"""Which form of a kernel runs: over arrays, or the compiled loop."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Final, Generic, Literal, ParamSpec, TypeVar

from stratkernel.kernel.errors import UsageError

Q = ParamSpec("Q")
R = TypeVar("R")
Backend = Literal["arrays", "numba"]

NUMBA_PAYS_FROM: Final = 40_000_000
"""Kernel rows from which compiled loops win back numba's import in a process of one run."""


class _Choice:
    """The form in use; `pinned` while somebody asked for it by name."""

    backend: Backend = "arrays"
    pinned: bool = False


_choice: Final = _Choice()


class NumericKernel(Generic[Q, R]):
    """One numeric kernel in two forms with the same signature and the same bits.

    `loop` is a plain Python function over scalars and arrays that numba can compile; `arrays` does the
    same with numpy or pandas. Outputs are written into arrays that the caller passes in.
    """

    def __init__(self, *, loop: Callable[Q, R], arrays: Callable[Q, R]) -> None:
        self.loop = loop
        self.arrays = arrays
        self._compiled: Callable[Q, R] | None = None
        self.__doc__ = arrays.__doc__

    def __call__(self, *args: Q.args, **kwargs: Q.kwargs) -> R:
        if _choice.backend == "numba":
            return self.compiled(*args, **kwargs)
        return self.arrays(*args, **kwargs)

    @property
    def compiled(self) -> Callable[Q, R]:
        """The loop, compiled on first use and cached on disk; no fastmath, so that bits stay."""
        if self._compiled is None:
            self._compiled = compiled(self.loop)
        return self._compiled


def compiled(loop: Callable[Q, R]) -> Callable[Q, R]:
    """A function compiled by numba the way all kernels are."""
    import numba

    made: Any = numba.njit(cache=True, fastmath=False, error_model="numpy", nogil=True)(loop)
    return made  # type: ignore[no-any-return]


def numba_available() -> bool:
    """Whether the extra `fast` is installed."""
    return find_spec("numba") is not None


def active_backend() -> Backend:
    """The form that kernels run in now."""
    return _choice.backend


def prepare(rows: int) -> Backend:
    """Choose the form for work of so many kernel rows, before a run begins; one run never mixes them.

    Compiled loops are chosen when numba is there and the work pays for its import, or it is imported
    already. Inside `use` the choice stands.
    """
    worth_it = rows >= NUMBA_PAYS_FROM or "numba" in sys.modules
    if worth_it and not _choice.pinned and numba_available():
        _choice.backend = "numba"
    return _choice.backend


@contextmanager
def use(backend: Backend) -> Iterator[None]:
    """Run kernels in one form inside the block, whatever the size of the work.

    Raises:
        UsageError: numba is asked for and not installed.
    """
    if backend == "numba" and not numba_available():
        raise UsageError('compiled kernels need numba: pip install "stratkernel[fast]"')
    before = _choice.backend, _choice.pinned
    _choice.backend, _choice.pinned = backend, True
    try:
        yield
    finally:
        _choice.backend, _choice.pinned = before
