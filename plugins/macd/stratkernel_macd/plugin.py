"""What this distribution offers to stratkernel."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stratkernel import hookimpl

if TYPE_CHECKING:
    from stratkernel import BaseIndicator, BaseStrategy


@hookimpl
def stratkernel_indicators() -> "Iterable[type[BaseIndicator]]":
    from stratkernel_macd.indicator import Macd

    return [Macd]


@hookimpl
def stratkernel_strategies() -> "Iterable[type[BaseStrategy]]":
    from stratkernel_macd.strategy import MacdStrategy

    return [MacdStrategy]
