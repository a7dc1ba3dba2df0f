"""Names: bare while unique, qualified always, and a reason for what is missing."""

from typing import Any

import pytest

from plugin_modules import PlainStrategy, giving, plugin_module
from stratkernel import Kernel
from stratkernel.kernel.errors import AmbiguousNameError, PluginError, UnknownNameError, UsageError
from stratkernel.kernel.kinds import INDICATOR, STRATEGY
from stratkernel.kernel.records import PluginState


def strategy(name: str) -> type:
    return type(name.title(), (PlainStrategy,), {"name": name})


def add(kernel: Kernel, plugin: str, *names: str, distribution: str | None = None) -> None:
    module = giving(STRATEGY, [strategy(name) for name in names], plugin)
    kernel.register(module, plugin, distribution=distribution or f"{plugin}-dist", version="1.0")


def test_items_come_in_the_order_of_plugin_names(empty: Kernel) -> None:
    for plugin in ("bb", "cc", "aa"):
        add(empty, plugin, f"{plugin}_one", f"{plugin}_two")
    names = [item.name for item in empty.items(STRATEGY)]
    assert names == ["aa_one", "aa_two", "bb_one", "bb_two", "cc_one", "cc_two"]


def test_hook_is_called_once(empty: Kernel) -> None:
    calls: list[int] = []

    def strategies() -> list[type]:
        calls.append(1)
        return [PlainStrategy]

    empty.register(plugin_module(stratkernel_strategies=strategies), "acme")
    for _ in range(3):
        empty.resolve(STRATEGY, "plain")
    assert len(calls) == 1


def test_p12_shared_name_errors_only_when_used_bare(empty: Kernel) -> None:
    add(empty, "one", "rsi", "fine")
    add(empty, "two", "rsi")
    assert all(record.state is PluginState.ACTIVE for record in empty.records)
    assert empty.resolve(STRATEGY, "fine").qualified == "one-dist:fine"
    assert empty.resolve(STRATEGY, "two-dist:rsi").record.name == "two"
    with pytest.raises(AmbiguousNameError) as ambiguous:
        empty.resolve(STRATEGY, "rsi")
    assert str(ambiguous.value) == (
        "strategy 'rsi' is provided by plugin 'one' (one-dist 1.0) and plugin 'two' (two-dist 1.0); "
        "use 'one-dist:rsi' or 'two-dist:rsi'"
    )
    assert isinstance(ambiguous.value, UsageError)


def test_name_that_was_used_is_looked_up_anew_when_its_providers_change(empty: Kernel) -> None:
    add(empty, "one", "rsi")
    assert empty.resolve(STRATEGY, "rsi").qualified == "one-dist:rsi"
    add(empty, "two", "rsi")
    with pytest.raises(AmbiguousNameError):
        empty.resolve(STRATEGY, "rsi")
    empty.records[0].withdraw(PluginState.FAILED, "gone")
    assert empty.resolve(STRATEGY, "rsi").qualified == "two-dist:rsi"
    empty.records[1].withdraw(PluginState.FAILED, "gone too")
    with pytest.raises(UnknownNameError):
        empty.resolve(STRATEGY, "rsi")


def test_shared_names_are_listed(empty: Kernel) -> None:
    add(empty, "one", "rsi", "fine")
    add(empty, "two", "rsi")
    groups = [[item.qualified for item in items] for items in empty.ambiguous_items()]
    assert groups == [["one-dist:rsi", "two-dist:rsi"]]


def test_p12_name_twice_in_one_distribution_says_what_to_do(empty: Kernel) -> None:
    add(empty, "one", "rsi", distribution="acme")
    add(empty, "two", "rsi", distribution="acme")
    for name in ("rsi", "acme:rsi"):
        with pytest.raises(
            AmbiguousNameError, match=r"'one' .* and plugin 'two' .*; disable all of them but one"
        ):
            empty.resolve(STRATEGY, name)


def test_same_name_of_different_kinds_is_no_conflict(empty: Kernel) -> None:
    from plugin_modules import PlainIndicator

    empty.register(giving(STRATEGY, [PlainStrategy], "a"), "a")
    empty.register(giving(INDICATOR, [PlainIndicator], "b"), "b")
    assert empty.ambiguous_items() == []
    assert empty.resolve(STRATEGY, "plain").cls is PlainStrategy
    assert empty.resolve(INDICATOR, "plain").cls is PlainIndicator


def test_unknown_name_lists_what_there_is_and_guesses(empty: Kernel) -> None:
    add(empty, "one", "ema_crossover", "macd")
    with pytest.raises(UnknownNameError) as unknown:
        empty.resolve(STRATEGY, "ema_crossovr")
    assert str(unknown.value) == (
        "unknown strategy 'ema_crossovr'. Did you mean 'ema_crossover'? Available: ema_crossover, macd."
    )


def test_unknown_name_without_plugins_says_so(empty: Kernel) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown indicator 'ema'\. No indicators are installed\."):
        empty.resolve(INDICATOR, "ema")


@pytest.mark.parametrize("name", ["broken", "broken-dist:anything"])
def test_name_of_a_broken_plugin_says_why_it_is_missing(empty: Kernel, name: str) -> None:
    broken(empty)
    with pytest.raises(UnknownNameError) as unknown:
        empty.resolve(STRATEGY, name)
    assert str(unknown.value) == (
        f"strategy '{name}' is not available: plugin 'broken' (broken-dist 0.3) is failed: "
        "hook stratkernel_strategies raised ModuleNotFoundError: No module named 'scipy'"
    )


def test_any_other_unknown_name_tells_who_is_out_of_service(empty: Kernel) -> None:
    broken(empty)
    add(empty, "one", "macd")
    with pytest.raises(
        UnknownNameError, match=r"Available: macd\. Not in service: plugin 'broken' .* 'scipy'\."
    ):
        empty.resolve(STRATEGY, "vwap")


def test_items_of_a_plugin_that_failed_later_are_gone(empty: Kernel) -> None:
    def explode() -> Any:
        raise ValueError("second hook")

    module = plugin_module(stratkernel_strategies=lambda: [PlainStrategy], stratkernel_indicators=explode)
    empty.register(module, "acme")
    assert len(empty.items(STRATEGY)) == 1
    assert empty.items(INDICATOR) == ()
    assert empty.items(STRATEGY) == ()
    with pytest.raises(UnknownNameError, match="second hook"):
        empty.resolve(STRATEGY, "plain")


def test_item_of_a_class_is_found(empty: Kernel) -> None:
    empty.register(giving(STRATEGY, [PlainStrategy]), "acme", distribution="acme-things")
    item = empty.registry.item_of(STRATEGY, PlainStrategy)
    assert item is not None
    assert item.title == "strategy 'plain' (acme-things 0)"
    assert empty.registry.item_of(STRATEGY, strategy("other")) is None


def test_kernels_share_nothing(empty: Kernel) -> None:
    add(empty, "one", "macd")
    assert Kernel(discover=False).items(STRATEGY) == ()


def test_require_healthy_names_every_broken_plugin(empty: Kernel) -> None:
    empty.require_healthy()
    broken(empty)
    add(empty, "one", "macd")
    empty.collect_all()
    with pytest.raises(PluginError) as unhealthy:
        empty.require_healthy()
    assert "not every plugin works: plugin 'broken' (broken-dist 0.3) is failed: hook" in str(unhealthy.value)
    assert "'one'" not in str(unhealthy.value)


def broken(kernel: Kernel) -> None:
    def strategies() -> Any:
        raise ModuleNotFoundError("No module named 'scipy'")

    module = plugin_module("broken", stratkernel_strategies=strategies)
    kernel.register(module, "broken", distribution="broken-dist", version="0.3")
