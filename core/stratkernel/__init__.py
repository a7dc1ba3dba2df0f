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
    from stratkernel.contracts.params import Params, TimeframeName
    from stratkernel.contracts.result import StrategyResult, StrategyRun
    from stratkernel.contracts.signals import SignalFlag, Signals, SignalTable, SignalType, StrategySignal
    from stratkernel.contracts.source import DataSource, RawCandles, RawChunks, SourceRequest
    from stratkernel.contracts.state import State
    from stratkernel.contracts.storage import (
        CandleStorage,
        CheckpointStorage,
        Migrations,
        Storage,
        StorageBackend,
        StrategyStorage,
    )
    from stratkernel.contracts.stored import (
        RunKind,
        RunQuery,
        RunRecord,
        RunStatus,
        Series,
        SignalQuery,
        SignalStatus,
        StoredSignals,
        WinRule,
    )
    from stratkernel.contracts.strategy import BaseStrategy, StrategyData
    from stratkernel.contracts.timeframes import Timeframe
    from stratkernel.contracts.validator import Finding, RunContext, SignalValidator
    from stratkernel.contracts.window_indicator import WindowIndicator
    from stratkernel.engine.crossings import crossing, level_crossing
    from stratkernel.engine.data_integration import StrategyDataIntegrator
    from stratkernel.engine.exits import ExitRules
    from stratkernel.engine.factory import IndicatorFactory, StrategyFactory
    from stratkernel.engine.gaps import GapRule
    from stratkernel.engine.grid import Grid
    from stratkernel.engine.indicator_cache import IndicatorCache
    from stratkernel.engine.indicator_graph import create_indicator_key
    from stratkernel.engine.lookahead.checking import check_lookahead
    from stratkernel.engine.lookahead.report import LookaheadError, LookaheadReport
    from stratkernel.engine.performance import Costs, Performance, evaluate
    from stratkernel.engine.run import run_strategy
    from stratkernel.engine.run_setup import RunOptions
    from stratkernel.engine.storage import open_storage
    from stratkernel.engine.streaming.chunks import CandleChunks, StoredChunks
    from stratkernel.engine.streaming.loading import load_chunks
    from stratkernel.engine.streaming.run import StreamedResult, stream_strategy
    from stratkernel.engine.sweep import Sweep, SweepOptions, sweep
    from stratkernel.engine.sweep_result import SweepRows
    from stratkernel.engine.timeframes.candles import candles_of
    from stratkernel.engine.timeframes.plan import TimeframePlan
    from stratkernel.engine.walk_forward import WalkForward
    from stratkernel.kernel.errors import (
        AmbiguousNameError,
        CandleConflictError,
        DataError,
        ParameterError,
        PluginContractError,
        PluginError,
        SchemaError,
        StateError,
        StorageBusyError,
        StorageError,
        StorageFullError,
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
    "contracts.chart_layer": "ChartLayer",
    "contracts.columns": "Columns",
    "contracts.events": "Events",
    "contracts.executor": "Executor",
    "contracts.indicator": "BaseIndicator IndicatorRequest Values indicator",
    "contracts.params": "Params TimeframeName",
    "contracts.result": "StrategyResult StrategyRun",
    "contracts.signals": "SignalFlag SignalTable SignalType Signals StrategySignal",
    "contracts.source": "DataSource RawCandles RawChunks SourceRequest",
    "contracts.state": "State",
    "contracts.storage": (
        "CandleStorage CheckpointStorage Migrations Storage StorageBackend StrategyStorage"
    ),
    "contracts.stored": (
        "RunKind RunQuery RunRecord RunStatus Series SignalQuery SignalStatus StoredSignals WinRule"
    ),
    "contracts.strategy": "BaseStrategy StrategyData",
    "contracts.timeframes": "Timeframe",
    "contracts.validator": "Finding RunContext SignalValidator",
    "contracts.window_indicator": "WindowIndicator",
    "engine.crossings": "crossing level_crossing",
    "engine.data_integration": "StrategyDataIntegrator",
    "engine.exits": "ExitRules",
    "engine.factory": "IndicatorFactory StrategyFactory",
    "engine.gaps": "GapRule",
    "engine.grid": "Grid",
    "engine.timeframes.candles": "candles_of",
    "engine.indicator_cache": "IndicatorCache",
    "engine.indicator_graph": "create_indicator_key",
    "engine.lookahead.checking": "check_lookahead",
    "engine.lookahead.report": "LookaheadError LookaheadReport",
    "engine.performance": "Costs Performance evaluate",
    "engine.run": "run_strategy",
    "engine.run_setup": "RunOptions",
    "engine.streaming.run": "StreamedResult stream_strategy",
    "engine.streaming.loading": "load_chunks",
    "engine.streaming.chunks": "CandleChunks StoredChunks",
    "engine.sweep_result": "SweepRows",
    "engine.walk_forward": "WalkForward",
    "engine.storage": "open_storage",
    "engine.sweep": "Sweep SweepOptions sweep",
    "engine.timeframes.plan": "TimeframePlan",
    "kernel.errors": (
        "AmbiguousNameError CandleConflictError DataError ParameterError PluginContractError PluginError "
        "SchemaError StateError StorageBusyError StorageError StorageFullError StratkernelError "
        "UnknownNameError UsageError"
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
    "CandleChunks",
    "CandleConflictError",
    "CandleStorage",
    "Candles",
    "ChartLayer",
    "CheckpointStorage",
    "Columns",
    "Costs",
    "DataError",
    "DataSource",
    "Events",
    "Executor",
    "ExitRules",
    "Finding",
    "FloatArray",
    "GapRule",
    "Grid",
    "IndicatorCache",
    "IndicatorFactory",
    "IndicatorRequest",
    "IntArray",
    "Kernel",
    "LookaheadError",
    "LookaheadReport",
    "Migrations",
    "ParameterError",
    "Params",
    "Performance",
    "PluginContractError",
    "PluginError",
    "PluginSelection",
    "RawCandles",
    "RawChunks",
    "RunContext",
    "RunKind",
    "RunOptions",
    "RunQuery",
    "RunRecord",
    "RunStatus",
    "SchemaError",
    "Series",
    "SignalFlag",
    "SignalQuery",
    "SignalStatus",
    "SignalTable",
    "SignalType",
    "SignalValidator",
    "Signals",
    "SourceRequest",
    "State",
    "StateError",
    "Storage",
    "StorageBackend",
    "StorageBusyError",
    "StorageError",
    "StorageFullError",
    "StoredChunks",
    "StoredSignals",
    "StrategyData",
    "StrategyDataIntegrator",
    "StrategyFactory",
    "StrategyResult",
    "StrategyRun",
    "StrategySignal",
    "StrategyStorage",
    "StratkernelError",
    "StreamedResult",
    "Sweep",
    "SweepOptions",
    "SweepRows",
    "Timeframe",
    "TimeframeName",
    "TimeframePlan",
    "UnknownNameError",
    "UsageError",
    "Values",
    "WalkForward",
    "WinRule",
    "WindowIndicator",
    "__version__",
    "admit",
    "candles_from_frame",
    "candles_of",
    "check_lookahead",
    "create_indicator_key",
    "crossing",
    "evaluate",
    "hookimpl",
    "indicator",
    "level_crossing",
    "load_chunks",
    "open_storage",
    "run_strategy",
    "stream_strategy",
    "sweep",
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
