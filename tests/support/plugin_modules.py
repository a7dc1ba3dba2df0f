"""Plugins made in a test: modules from source, items of every kind, distributions on the path."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from stratkernel import hookimpl
from stratkernel.contracts.chart_layer import ChartLayer
from stratkernel.contracts.executor import Executor
from stratkernel.contracts.source import DataSource
from stratkernel.contracts.storage import StorageBackend
from stratkernel.contracts.strategy import BaseStrategy
from stratkernel.contracts.validator import SignalValidator
from stratkernel.contracts.window_indicator import WindowIndicator
from stratkernel.kernel.kinds import (
    CHART_LAYER,
    DATA_SOURCE,
    EXECUTOR,
    INDICATOR,
    SIGNAL_VALIDATOR,
    STORAGE_BACKEND,
    STRATEGY,
    Kind,
)


def plugin_module(name: str = "made", **hooks: Any) -> ModuleType:
    """A module with these functions, each marked `@hookimpl`, and with other values as they are."""
    module = ModuleType(name)
    for attribute, value in hooks.items():
        setattr(module, attribute, hookimpl(value) if callable(value) else value)
    return module


def giving(kind: Kind, items: object, name: str = "made") -> ModuleType:
    """A plugin whose hook for a kind gives this."""
    return plugin_module(name, **{kind.hook: lambda: items})


class PlainStrategy(BaseStrategy):
    """Says nothing."""

    name = "plain"


class PlainIndicator(WindowIndicator):
    """The close."""

    name = "plain"

    def lookback(self) -> int:
        return 0

    def calculate(self, columns: Any) -> Any:
        return columns.close


class PlainBackend(StorageBackend):
    name = "plain"
    schemes = ("plain",)

    def open(self, url: str) -> Any:
        return url


class PlainLayer(ChartLayer):
    name = "plain"

    def traces(self, data: Any) -> Sequence[dict[str, Any]]:
        return [{"rows": len(data)}]


class PlainSource(DataSource):
    name = "plain"

    def load(self, request: Any) -> Any:
        return request


class PlainExecutor(Executor):
    name = "plain"
    schemes = ("plain",)

    @classmethod
    def from_url(cls, url: str) -> "PlainExecutor":
        return cls()


class PlainValidator(SignalValidator):
    name = "plain"

    def validate(self, candles: Any, signals: Any) -> Any:
        return []


PLAIN_ITEMS: dict[Kind, type] = {
    STRATEGY: PlainStrategy,
    INDICATOR: PlainIndicator,
    STORAGE_BACKEND: PlainBackend,
    CHART_LAYER: PlainLayer,
    DATA_SOURCE: PlainSource,
    EXECUTOR: PlainExecutor,
    SIGNAL_VALIDATOR: PlainValidator,
}
"""One working item of each kind."""

BASES: dict[Kind, str] = {kind: kind.base_class().__name__ for kind in PLAIN_ITEMS}

STRATEGY_PLUGIN = dedent(
    """\
    from stratkernel import hookimpl

    @hookimpl
    def stratkernel_strategies():
        from stratkernel import BaseStrategy

        class Quiet(BaseStrategy):
            name = "quiet"

        return [Quiet]
    """
)
"""Source of a plugin that works; its one strategy is called `quiet`."""


def on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put a folder of fake distributions on `sys.path` and forget afterwards what was imported from it."""
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(folder)):
            del sys.modules[name]
