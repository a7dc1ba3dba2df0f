"""The lists that decide, before anything is imported, which plugins may load."""

import pytest

from stratkernel import PluginSelection
from stratkernel.kernel.names import folded, normalised
from stratkernel.kernel.records import PluginRecord

RSI = PluginRecord("rsi", "stratkernel-rsi", "0.1", "stratkernel_rsi.plugin")
OWN = PluginRecord("sources", "stratkernel", "0.1", "stratkernel.sources.plugin")


def test_selection_by_default_disables_nothing() -> None:
    assert PluginSelection().reason_to_disable(RSI) == ""


@pytest.mark.parametrize("name", ["rsi", "RSI", "stratkernel-rsi", "Stratkernel_RSI", "stratkernel.rsi"])
def test_disable_list_takes_plugin_and_distribution_names(name: str) -> None:
    selection = PluginSelection(disabled={"STRATKERNEL_DISABLE": [name]})
    assert selection.reason_to_disable(RSI) == "switched off by STRATKERNEL_DISABLE"
    assert selection.warnings([RSI, OWN]) == []


def test_reason_names_the_list_that_did_it() -> None:
    selection = PluginSelection(disabled={"first list": ["macd"], "second list": ["rsi"]})
    assert selection.reason_to_disable(RSI) == "switched off by second list"


@pytest.mark.parametrize("name", ["rsi", "stratkernel_rsi"])
def test_allow_list_lets_in_what_it_names(name: str) -> None:
    assert PluginSelection(allowed=[name]).reason_to_disable(RSI) == ""


def test_allow_list_keeps_out_what_it_does_not_name() -> None:
    assert PluginSelection(allowed=["macd"]).reason_to_disable(RSI) == "not in STRATKERNEL_PLUGINS"


def test_disable_list_outweighs_the_allow_list() -> None:
    selection = PluginSelection(allowed=["rsi"], disabled={"a list": ["rsi"]})
    assert selection.reason_to_disable(RSI) == "switched off by a list"


def test_no_plugins_disables_all_but_the_own() -> None:
    selection = PluginSelection(no_plugins=True)
    assert selection.reason_to_disable(RSI) == "switched off by --no-plugins or STRATKERNEL_NO_PLUGINS"
    assert selection.reason_to_disable(OWN) == ""


@pytest.mark.parametrize(
    "selection",
    [
        PluginSelection(no_plugins=True),
        PluginSelection(allowed=["rsi"]),
        PluginSelection(disabled={"a list": ["sources", "stratkernel"]}),
    ],
    ids=["no-plugins", "allow-list", "disable-list"],
)
def test_own_plugins_are_never_switched_off(selection: PluginSelection) -> None:
    assert selection.reason_to_disable(OWN) == ""


def test_own_name_in_a_disable_list_is_warned_of() -> None:
    (warning,) = PluginSelection(disabled={"a list": ["sources"]}).warnings([RSI, OWN])
    assert warning == "a list names 'sources', which is stratkernel's own and stays in service"


def test_unknown_name_is_warned_of_with_its_list() -> None:
    selection = PluginSelection(allowed=["rsi", "mcad"], disabled={"a list": ["stratkernel-rsy"]})
    first, second = selection.warnings([RSI, OWN])
    assert first == "STRATKERNEL_PLUGINS names 'mcad', but no plugin or distribution is called so."
    assert second.startswith("a list names 'stratkernel-rsy'")
    assert second.endswith("Did you mean 'stratkernel-rsi'?")


def test_distribution_name_does_not_select_by_prefix() -> None:
    assert PluginSelection(disabled={"a list": ["stratkernel"]}).reason_to_disable(RSI) == ""


@pytest.mark.parametrize(
    ("name", "same"), [("Ema", "eMA"), ("e\u0301", "\u00c9"), ("\uff45ma", "ema"), ("\u00df", "SS")]
)
def test_folded_joins_forms_of_one_name(name: str, same: str) -> None:
    assert folded(name) == folded(same)


def test_folded_keeps_dashes_apart_and_normalised_does_not() -> None:
    assert folded("a-b") != folded("a_b")
    assert normalised("A-b") == normalised("a_B") == normalised("a.-_b") == "a-b"
