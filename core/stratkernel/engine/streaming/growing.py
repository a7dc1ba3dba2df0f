"""Columns that grow as chunks come: what is kept of them is sparse."""

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import FloatArray

T = TypeVar("T", bound=np.generic)
_FIRST = 1_024


class Growing(Generic[T]):
    """A one-dimensional array to which is appended."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._values: npt.NDArray[Any] = np.empty(0, dtype=dtype)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, values: npt.NDArray[Any]) -> None:
        """Add values at the end; a wider type, as of longer texts, widens what is there."""
        if not len(values):
            return
        wider = np.result_type(self._values.dtype, values.dtype)
        if wider != self._values.dtype:
            self._values = self._values.astype(wider if self._count else values.dtype)
        needed = self._count + len(values)
        if needed > len(self._values):
            # in place: a large block of memory is moved by the system without a copy, so little is kept spare
            self._values.resize(max(_FIRST, needed + needed // 8), refcheck=False)
        self._values[self._count : needed] = values
        self._count = needed

    @property
    def values(self) -> npt.NDArray[T]:
        """All that was appended; valid until more is."""
        return self._values[: self._count]


class Scratch:
    """Memory that each chunk writes anew: fresh pages would cost more than what is written."""

    def __init__(self) -> None:
        self._memory = np.empty(0)

    def empty(self, rows: int) -> FloatArray:
        """An uninitialised array of shape (rows,), good until the next call."""
        if rows > len(self._memory):
            self._memory = np.empty(rows)
        return self._memory[:rows]


class GrowingColumns:
    """Columns of one length under names; which ones, the first that are not empty tell."""

    def __init__(self) -> None:
        self._columns: dict[str, Growing[Any]] = {}

    def append(self, columns: Iterable[tuple[str, npt.NDArray[Any]]]) -> None:
        """Add the next values of all columns."""
        for name, values in columns:
            if len(values):
                self._columns.setdefault(name, Growing(values.dtype)).append(values)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._columns[name].values

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    @property
    def all(self) -> dict[str, npt.NDArray[Any]]:
        """The columns by their names."""
        return {name: column.values for name, column in self._columns.items()}
