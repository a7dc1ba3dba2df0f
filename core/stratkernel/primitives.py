"""Fast folds for plugin authors: smoothing and crossings, state in and out, and kernels of your own.

All give the same bits whole, in chunks of any size and value by value, with numba (`stratkernel[fast]`)
and without.
"""

from stratkernel.engine.kernels.dispatch import NumericKernel
from stratkernel.engine.kernels.folds import (
    SMOOTH_START,
    Crossings,
    SmoothState,
    center_of_mass,
    column,
    crossing_step,
    crossings,
    smooth,
    smooth_step,
)
from stratkernel.engine.kernels.workspace import empty

__all__ = [
    "SMOOTH_START",
    "Crossings",
    "NumericKernel",
    "SmoothState",
    "center_of_mass",
    "column",
    "crossing_step",
    "crossings",
    "empty",
    "smooth",
    "smooth_step",
]
