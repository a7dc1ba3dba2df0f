"""The kinds of things that plugins provide, each with its hook and the class that its items extend."""

from dataclasses import dataclass
from importlib import import_module
from typing import Final, cast


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of item. `base` is a dotted path, imported only when the first item is checked."""

    name: str
    plural: str
    hook: str
    base: str

    def base_class(self) -> type:
        module, _, attribute = self.base.rpartition(".")
        return cast("type", getattr(import_module(module), attribute))


STRATEGY: Final = Kind(
    "strategy", "strategies", "stratkernel_strategies", "stratkernel.contracts.strategy.BaseStrategy"
)
INDICATOR: Final = Kind(
    "indicator", "indicators", "stratkernel_indicators", "stratkernel.contracts.indicator.BaseIndicator"
)
STORAGE_BACKEND: Final = Kind(
    "storage backend",
    "storage backends",
    "stratkernel_storage_backends",
    "stratkernel.contracts.storage.StorageBackend",
)
CHART_LAYER: Final = Kind(
    "chart layer", "chart layers", "stratkernel_chart_layers", "stratkernel.contracts.chart_layer.ChartLayer"
)
DATA_SOURCE: Final = Kind(
    "data source", "data sources", "stratkernel_data_sources", "stratkernel.contracts.source.DataSource"
)
EXECUTOR: Final = Kind(
    "executor", "executors", "stratkernel_executors", "stratkernel.contracts.executor.Executor"
)
SIGNAL_VALIDATOR: Final = Kind(
    "signal validator",
    "signal validators",
    "stratkernel_signal_validators",
    "stratkernel.contracts.validator.SignalValidator",
)

KINDS: Final = (STRATEGY, INDICATOR, STORAGE_BACKEND, CHART_LAYER, DATA_SOURCE, EXECUTOR, SIGNAL_VALIDATOR)
OBSERVER_HOOK: Final = "stratkernel_signals_generated"
