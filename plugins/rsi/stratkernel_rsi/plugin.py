"""What this distribution offers to stratkernel."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stratkernel import hookimpl

if TYPE_CHECKING:
    from stratkernel import BaseIndicator, BaseStrategy


@hookimpl
def stratkernel_indicators() -> "Iterable[type[BaseIndicator]]":
    from stratkernel_rsi.indicator import Rsi

    return [Rsi]


@hookimpl
def stratkernel_strategies() -> "Iterable[type[BaseStrategy]]":
    from stratkernel_rsi.strategy import RsiStrategy

    return [RsiStrategy]
