"""Everything that a plugin can offer: one function a hook, none of them called per candle.

A plugin is a module with functions of these names, marked `@hookimpl`. Import what is heavy inside
the function, not at the top of the module: listing plugins then costs nothing.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from stratkernel.kernel.markers import hookspec

if TYPE_CHECKING:
    from stratkernel.contracts.chart_layer import ChartLayer
    from stratkernel.contracts.executor import Executor
    from stratkernel.contracts.indicator import BaseIndicator
    from stratkernel.contracts.result import StrategyRun
    from stratkernel.contracts.signals import SignalTable
    from stratkernel.contracts.source import DataSource
    from stratkernel.contracts.storage import StorageBackend
    from stratkernel.contracts.strategy import BaseStrategy
    from stratkernel.contracts.validator import SignalValidator


@hookspec
def stratkernel_strategies() -> Iterable[type["BaseStrategy[Any]"]]:  # type: ignore[empty-body]
    """Give strategy classes; `stratkernel run NAME` finds them by their `name`."""


@hookspec
def stratkernel_indicators() -> Iterable[type["BaseIndicator[Any]"]]:  # type: ignore[empty-body]
    """Give indicator classes; strategies ask for them by their `name`."""


@hookspec
def stratkernel_storage_backends() -> Iterable[type["StorageBackend"]]:  # type: ignore[empty-body]
    """Give storage back-ends, chosen by the scheme of a database URL."""


@hookspec
def stratkernel_chart_layers() -> Iterable[type["ChartLayer"]]:  # type: ignore[empty-body]
    """Give chart layers for the dashboard."""


@hookspec
def stratkernel_data_sources() -> Iterable[type["DataSource"]]:  # type: ignore[empty-body]
    """Give sources of candles, chosen by URL scheme or file suffix."""


@hookspec
def stratkernel_executors() -> Iterable[type["Executor"]]:  # type: ignore[empty-body]
    """Give executors for batch work, chosen by URL scheme."""


@hookspec
def stratkernel_signal_validators() -> Iterable[type["SignalValidator"]]:  # type: ignore[empty-body]
    """Give validators that look over the signals of every run."""


@hookspec
def stratkernel_signals_generated(run: "StrategyRun", signals: "SignalTable") -> None:
    """Be told of the signals of a finished run. An observer: what it does never changes the result."""
