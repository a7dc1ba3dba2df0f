"""Names for the arrays that travel through the house."""

from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


A = TypeVar("A", bound=npt.NDArray[Any])


def read_only(array: A) -> A:
    """A view of the array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view
