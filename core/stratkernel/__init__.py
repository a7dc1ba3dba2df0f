"""stratkernel: a microkernel for trading strategies.

Everything that a plugin author needs is importable from here; names are loaded when they are first
used, so that `import stratkernel` costs next to nothing. The fast folds are in `stratkernel.primitives`,
exact rolling windows in `stratkernel.rolling`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from stratkernel._version import __version__
from stratkernel.kernel.markers import API_VERSION, hookimpl

if TYPE_CHECKING:
    from stratkernel.contracts.admission import AdmissionError, BadCandles, admit, candles_from_frame
    from stratkernel.contracts.arrays import BoolArray, FloatArray, IntArray
    from stratkernel.contracts.calendars import Calendar
    from stratkernel.contracts.candles import Candles
    from stratkernel.contracts.chart_layer import ChartLayer
    from stratkernel.contracts.columns import Columns
    from stratkernel.contracts.events import Events
    from stratkernel.contracts.executor import Executor
    from stratkernel.contracts.indicator import (
        BaseIndicator,
        IndicatorRequest,
        Values,
        indicator,
    )
    from stratkernel.contracts.params import Params
    from stratkernel.contracts.result import StrategyResult, StrategyRun
    from stratkernel.contracts.signals import SignalFlag, Signals, SignalTable, SignalType, StrategySignal
    from stratkernel.contracts.source import DataSource, RawCandles, SourceRequest
    from stratkernel.contracts.state import State
    from stratkernel.contracts.storage import StorageBackend
    from stratkernel.contracts.strategy import BaseStrategy, StrategyData
    from stratkernel.contracts.timeframes import Timeframe
    from stratkernel.contracts.validator import Finding, SignalValidator
    from stratkernel.contracts.window_indicator import WindowIndicator
    from stratkernel.engine.crossings import crossing, level_crossing
    from stratkernel.engine.factory import IndicatorFactory, StrategyFactory
    from stratkernel.engine.gaps import GapRule
    from stratkernel.engine.indicator_graph import create_indicator_key
    from stratkernel.engine.performance import Costs, Performance, evaluate
    from stratkernel.engine.run import RunOptions, run_strategy
    from stratkernel.kernel.errors import (
        AmbiguousNameError,
        DataError,
        ParameterError,
        PluginContractError,
        PluginError,
        StateError,
        StratkernelError,
        UnknownNameError,
        UsageError,
    )
    from stratkernel.kernel.manager import Kernel
    from stratkernel.kernel.selection import PluginSelection

_HOMES: Final = {
    "contracts.admission": "AdmissionError BadCandles admit candles_from_frame",
    "contracts.arrays": "BoolArray FloatArray IntArray",
    "contracts.calendars": "Calendar",
    "contracts.candles": "Candles",
    "contracts.columns": "Columns",
    "contracts.chart_layer": "ChartLayer",
    "contracts.events": "Events",
    "contracts.executor": "Executor",
    "contracts.indicator": "BaseIndicator IndicatorRequest Values indicator",
    "contracts.params": "Params",
    "contracts.result": "StrategyResult StrategyRun",
    "contracts.signals": "SignalFlag SignalTable SignalType Signals StrategySignal",
    "contracts.source": "DataSource RawCandles SourceRequest",
    "contracts.state": "State",
    "contracts.storage": "StorageBackend",
    "contracts.strategy": "BaseStrategy StrategyData",
    "contracts.timeframes": "Timeframe",
    "contracts.validator": "Finding SignalValidator",
    "contracts.window_indicator": "WindowIndicator",
    "engine.crossings": "crossing level_crossing",
    "engine.factory": "IndicatorFactory StrategyFactory",
    "engine.gaps": "GapRule",
    "engine.indicator_graph": "create_indicator_key",
    "engine.performance": "Costs Performance evaluate",
    "engine.run": "RunOptions run_strategy",
    "kernel.errors": (
        "AmbiguousNameError DataError ParameterError PluginContractError PluginError StateError "
        "StratkernelError UnknownNameError UsageError"
    ),
    "kernel.manager": "Kernel",
    "kernel.selection": "PluginSelection",
}
_HOME_OF: Final = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "API_VERSION",
    "AdmissionError",
    "AmbiguousNameError",
    "BadCandles",
    "BaseIndicator",
    "BaseStrategy",
    "BoolArray",
    "Calendar",
    "Candles",
    "ChartLayer",
    "Columns",
    "Costs",
    "DataError",
    "DataSource",
    "Events",
    "Executor",
    "Finding",
    "FloatArray",
    "GapRule",
    "IndicatorFactory",
    "IndicatorRequest",
    "IntArray",
    "Kernel",
    "ParameterError",
    "Params",
    "Performance",
    "PluginContractError",
    "PluginError",
    "PluginSelection",
    "RawCandles",
    "RunOptions",
    "SignalFlag",
    "SignalTable",
    "SignalType",
    "SignalValidator",
    "Signals",
    "SourceRequest",
    "State",
    "StateError",
    "StorageBackend",
    "StrategyData",
    "StrategyFactory",
    "StrategyResult",
    "StrategyRun",
    "StrategySignal",
    "StratkernelError",
    "Timeframe",
    "UnknownNameError",
    "UsageError",
    "Values",
    "WindowIndicator",
    "__version__",
    "admit",
    "candles_from_frame",
    "create_indicator_key",
    "crossing",
    "evaluate",
    "hookimpl",
    "indicator",
    "level_crossing",
    "run_strategy",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'stratkernel' has no attribute {name!r}")
    value = getattr(import_module(f"stratkernel.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
