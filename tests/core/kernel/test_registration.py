"""What a module must be like to be a plugin; whatever it is not, it ends as one record with a reason."""

from typing import Any

import pytest

from plugin_modules import PLAIN_ITEMS, PlainStrategy, giving, plugin_module
from stratkernel import API_VERSION, Kernel, hookimpl
from stratkernel.kernel.errors import PluginError
from stratkernel.kernel.kinds import INDICATOR, STRATEGY


def nothing() -> list[type]:
    return []


def refusal(kernel: Kernel, module: Any) -> str:
    """What is said when a module is registered."""
    with pytest.raises(PluginError) as refused:
        kernel.register(module, "acme", distribution="acme-things", version="1.2")
    assert kernel.records == []
    assert kernel.items(STRATEGY) == ()
    return str(refused.value)


def test_module_that_says_the_current_api_is_active(empty: Kernel) -> None:
    module = giving(STRATEGY, [PlainStrategy])
    module.STRATKERNEL_API = API_VERSION
    assert empty.register(module, "acme").healthy


@pytest.mark.parametrize("api", [0, 2, "1", None])
def test_p13_module_made_for_another_api_is_incompatible(empty: Kernel, api: object) -> None:
    module = giving(STRATEGY, [PlainStrategy])
    module.STRATKERNEL_API = api
    said = refusal(empty, module)
    assert f"is incompatible: needs hook API {api!r}, this stratkernel has {API_VERSION}" in said
    assert "install a release of acme-things that was made for it" in said


def test_p14_misspelt_hook_is_incompatible_and_corrected(empty: Kernel) -> None:
    said = refusal(empty, plugin_module(stratkernel_strategys=nothing))
    assert "is incompatible: unknown hook 'stratkernel_strategys'" in said
    assert "Did you mean 'stratkernel_strategies'?" in said


def test_p14_hook_of_another_release_is_incompatible(empty: Kernel) -> None:
    said = refusal(empty, plugin_module(xyz=nothing))
    assert "unknown hook 'xyz'. Was it made for a newer stratkernel?" in said


def test_p14_optional_unknown_hook_is_passed_over(empty: Kernel) -> None:
    module = giving(STRATEGY, [PlainStrategy])
    module.stratkernel_later = hookimpl(nothing, optionalhook=True)
    assert empty.register(module, "acme").provides == {"strategies": ()}


def test_p14_extra_argument_is_incompatible(empty: Kernel) -> None:
    def strategies(settings: object) -> list[type]:
        return [PlainStrategy] if settings else []

    said = refusal(empty, plugin_module(stratkernel_strategies=strategies))
    assert "is incompatible: a hook has the wrong signature" in said
    assert "settings" in said
    assert "\n" not in said


def test_p14_refused_module_is_not_half_registered(empty: Kernel) -> None:
    """Its good hook must not be called, and the very name must be free again."""
    module = giving(STRATEGY, [PlainStrategy])
    module.stratkernel_indicators = hookimpl(lambda extra: [])
    refusal(empty, module)
    assert empty.items(INDICATOR) == ()
    empty.register(giving(STRATEGY, [PlainStrategy]), "acme")
    assert [item.name for item in empty.items(STRATEGY)] == ["plain"]


@pytest.mark.parametrize("style", ["wrapper", "hookwrapper"])
def test_p14_hook_wrapper_is_incompatible(empty: Kernel, style: str) -> None:
    def strategies() -> Any:
        yield

    module = plugin_module()
    module.stratkernel_strategies = hookimpl(strategies, **{style: True})
    assert "'stratkernel_strategies' is a hook wrapper" in refusal(empty, module)


def test_hook_without_its_marker_is_named(empty: Kernel) -> None:
    def unmarked() -> list[type]:
        return []

    module = plugin_module()
    module.stratkernel_strategies = unmarked
    assert "the function 'stratkernel_strategies' lacks its @hookimpl marker" in refusal(empty, module)


def test_module_without_any_hook_offers_nothing(empty: Kernel) -> None:
    said = refusal(empty, plugin_module("acme_things"))
    assert "is failed: offers nothing: 'acme_things' has no hook such as" in said


@pytest.mark.parametrize("thing", [PlainStrategy, 7, None, "text"], ids=repr)
def test_what_is_no_module_is_refused(empty: Kernel, thing: object) -> None:
    assert "its entry point must name a module" in refusal(empty, thing)


def test_hook_under_another_name_by_specname_is_found(empty: Kernel) -> None:
    module = plugin_module()
    module.offers = hookimpl(lambda: [PlainStrategy], specname="stratkernel_strategies")
    assert empty.register(module, "acme").provides == {"strategies": ()}
    assert [item.name for item in empty.items(STRATEGY)] == ["plain"]


def test_module_whose_attributes_raise_is_a_failed_plugin(empty: Kernel) -> None:
    def ask(name: str) -> object:
        raise RuntimeError(f"no {name} today")

    module = giving(STRATEGY, [PlainStrategy])
    module.__getattr__ = ask
    assert "is failed: RuntimeError: no STRATKERNEL_API today" in refusal(empty, module)


@pytest.mark.parametrize("name", ["acme", "ACME"])
def test_register_under_a_taken_name_is_refused(empty: Kernel, name: str) -> None:
    empty.register(giving(STRATEGY, []), "acme", distribution="first")
    with pytest.raises(PluginError, match=rf"name '{name}' is taken by plugin 'acme' \(first 0\)"):
        empty.register(giving(STRATEGY, [], "other"), name)


def test_register_after_items_were_asked_for_is_seen(empty: Kernel) -> None:
    assert empty.items(STRATEGY) == ()
    empty.register(giving(STRATEGY, [PlainStrategy]), "acme")
    assert [item.name for item in empty.items(STRATEGY)] == ["plain"]


def test_plugin_of_every_kind_provides_every_kind(empty: Kernel) -> None:
    module = plugin_module(**{kind.hook: lambda cls=cls: [cls] for kind, cls in PLAIN_ITEMS.items()})
    record = empty.register(module, "acme")
    empty.collect_all()
    assert record.provides == {kind.plural: ("plain",) for kind in PLAIN_ITEMS}
