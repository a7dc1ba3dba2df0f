"""The built-in plugin `validators`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stratkernel.kernel.markers import hookimpl

if TYPE_CHECKING:
    from stratkernel.contracts.validator import SignalValidator


@hookimpl
def stratkernel_signal_validators() -> Iterable[type["SignalValidator"]]:
    from stratkernel.engine.validators.behaviour import (
        ConflictingDirections,
        EntryWithoutExit,
        FlipFlop,
    )
    from stratkernel.engine.validators.form import (
        ConfidenceRange,
        Duplicate,
        DuringWarmUp,
        OutOfOrder,
        PriceOutsideCandle,
    )
    from stratkernel.engine.validators.origin import RepairedCandles, StalePrice

    return [
        OutOfOrder,
        Duplicate,
        DuringWarmUp,
        PriceOutsideCandle,
        ConfidenceRange,
        EntryWithoutExit,
        FlipFlop,
        ConflictingDirections,
        StalePrice,
        RepairedCandles,
    ]
