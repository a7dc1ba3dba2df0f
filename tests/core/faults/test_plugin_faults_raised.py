"""Rows P1 and P2 of the fault catalogue: a plugin raises, anywhere, anything."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from made_strategies import (
    candles,
    every_rise,
    fold_doing,
    indicator_doing,
    run,
    run_indicator,
    signal_bytes,
    strategy_doing,
    window_indicator_doing,
)
from plugin_modules import plugin_module
from stratkernel import Kernel, PluginError, SignalValidator
from stratkernel.kernel.guard import real_interrupts
from stratkernel.testing import fake_distribution


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("even its name fails")


TWELVE = [
    ValueError("x"),
    KeyError("x"),
    ZeroDivisionError("x"),
    RecursionError("x"),
    MemoryError("x"),
    StopIteration("x"),
    AssertionError("x"),
    AttributeError("x"),
    NotImplementedError("x"),
    OSError(5, "x"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"),
    UnspeakableError(),
]
BEYOND_EXCEPTION = [SystemExit(3), KeyboardInterrupt(), GeneratorExit()]
any_error = pytest.mark.parametrize(
    "error", TWELVE + BEYOND_EXCEPTION, ids=lambda error: type(error).__name__
)


@any_error
def test_p1_p2_strategy_raising_is_one_plugin_error_that_names_it(error: BaseException) -> None:
    for strategy in (
        strategy_doing(raising(error)),
        fold_doing(raising(error)),
        strategy_doing(raising(error), window=None),
    ):
        with real_interrupts(), pytest.raises(PluginError) as failure:
            run(strategy)
        assert str(failure.value).startswith("strategy 'made' (acme-things 1.2) failed in ")
        assert type(error).__name__ in str(failure.value)
        assert failure.value.__cause__ is error


@any_error
def test_p1_p2_indicator_raising_is_one_plugin_error_that_names_it(error: BaseException) -> None:
    for indicator in (indicator_doing(raising(error)), window_indicator_doing(raising(error))):
        with real_interrupts(), pytest.raises(PluginError) as failure:
            run_indicator(indicator)
        assert str(failure.value).startswith(
            "indicator 'made' (acme-things 1.2) failed on 60 candles that close from "
        )
        assert failure.value.__cause__ is error


@any_error
@pytest.mark.parametrize("method", ["__init__", "get_required_indicators", "initial_state"])
def test_p1_p2_strategy_raising_elsewhere_is_one_plugin_error(error: BaseException, method: str) -> None:
    from stratkernel import StrategyFactory

    strategy = fold_doing(lambda data, state: every_rise(data))
    setattr(strategy, method, raising(error))
    kernel = Kernel(discover=False)
    kernel.register(plugin_module(stratkernel_strategies=lambda: [strategy]), "acme")
    from stratkernel import run_strategy

    with real_interrupts(), pytest.raises(PluginError, match=r"^strategy 'made' \(local 0\) failed"):
        run_strategy(kernel, StrategyFactory(kernel).create("made"), candles())


@any_error
@pytest.mark.parametrize("method", ["lookback", "settling", "sources", "initial_state"])
def test_p1_p2_indicator_raising_elsewhere_is_one_plugin_error(error: BaseException, method: str) -> None:
    indicator = indicator_doing(lambda columns, state: (columns.close, state))
    setattr(indicator, method, raising(error))
    with (
        real_interrupts(),
        pytest.raises(PluginError, match=r"^indicator 'made' \(acme-things 1\.2\) failed to give its"),
    ):
        run_indicator(indicator)


@any_error
def test_p1_p2_validator_raising_is_noted_and_the_others_run(error: BaseException) -> None:
    class Broken(SignalValidator):
        name = "broken"

        def validate(self, candles: Any, signals: Any) -> Any:
            raise error

    kernel = Kernel(discover=False)
    kernel.register(
        plugin_module(stratkernel_signal_validators=lambda: [Broken]), "acme", distribution="acme"
    )
    with real_interrupts():
        result = run(strategy_doing(every_rise), kernel=kernel)
    (noted,) = result.quality["validator_failures"]
    assert noted.startswith("signal validator 'broken' (acme 0) failed while it validated signals: ")
    assert signal_bytes(result) == signal_bytes(run(strategy_doing(every_rise)))


@any_error
def test_p1_p2_observer_raising_is_noted_and_changes_nothing(error: BaseException) -> None:
    kernel = Kernel(discover=False)
    observer = plugin_module(stratkernel_signals_generated=lambda run, signals: raising(error)())
    kernel.register(observer, "acme", distribution="acme")
    with real_interrupts():
        result = run(strategy_doing(every_rise), kernel=kernel)
    (noted,) = result.quality["observer_failures"]
    assert noted.startswith("plugin 'acme' (acme 0) failed while it observed signals: ")
    assert signal_bytes(result) == signal_bytes(run(strategy_doing(every_rise)))


@pytest.mark.parametrize(
    "statement", ["raise SystemExit(0)", "raise KeyboardInterrupt", "raise GeneratorExit"]
)
@pytest.mark.parametrize("place", ["import", "hook"])
def test_p2_command_outlives_what_a_plugin_raises(tmp_path: Path, statement: str, place: str) -> None:
    hook = f"from stratkernel import hookimpl\n@hookimpl\ndef stratkernel_strategies():\n    {statement}\n"
    source = f"{statement}\n" if place == "import" else hook
    fake_distribution(
        tmp_path, "acme", entry_points={"acme": "acme_plugin"}, modules={"acme_plugin.py": source}
    )
    result = subprocess.run(
        [sys.executable, "-m", "stratkernel", "plugins", "--json"],
        env={"PYTHONPATH": str(tmp_path), "STRATKERNEL_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0
    assert '"state": "failed"' in result.stdout
    assert result.stderr == ""


def raising(error: BaseException) -> Any:
    def function(*arguments: Any, **named: Any) -> Any:
        raise error

    return function
