"""Each of the eight hooks: valid, raising, of the wrong type, disabled."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plugin_modules import BASES, PLAIN_ITEMS, giving, plugin_module
from stratkernel import Kernel, PluginSelection
from stratkernel.kernel import hookspecs
from stratkernel.kernel.errors import UnknownNameError
from stratkernel.kernel.kinds import KINDS, OBSERVER_HOOK, STRATEGY, Kind
from stratkernel.kernel.records import PluginState
from stratkernel.testing import fake_distribution

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.hook)


def test_hookspecs_are_the_kinds_and_the_observer() -> None:
    specs = {name for name in vars(hookspecs) if name.startswith("stratkernel_")}
    assert specs == {*(kind.hook for kind in KINDS), OBSERVER_HOOK}
    assert len(specs) == 8


@every_kind
def test_hook_valid_gives_its_items(empty: Kernel, kind: Kind) -> None:
    cls = PLAIN_ITEMS[kind]
    record = empty.register(giving(kind, [cls]), "acme", distribution="acme-things", version="2.0")
    assert [item.cls for item in empty.items(kind)] == [cls]
    assert empty.resolve(kind, "plain").qualified == "acme-things:plain"
    assert empty.resolve(kind, "acme-things:plain").cls is cls
    assert record.provides == {kind.plural: ("plain",)}
    assert record.state is PluginState.ACTIVE


@every_kind
def test_hook_that_gives_a_generator_is_iterated(empty: Kernel, kind: Kind) -> None:
    def generate() -> Iterator[type]:
        yield PLAIN_ITEMS[kind]

    empty.register(plugin_module(**{kind.hook: generate}), "acme")
    assert [item.name for item in empty.items(kind)] == ["plain"]


@every_kind
def test_hook_raising_fails_its_plugin_and_no_other(empty: Kernel, kind: Kind) -> None:
    def explode() -> list[type]:
        raise ZeroDivisionError("no luck")

    broken = empty.register(plugin_module(**{kind.hook: explode}), "broken", distribution="acme-broken")
    empty.register(giving(kind, [PLAIN_ITEMS[kind]]), "good")
    assert [item.record.name for item in empty.items(kind)] == ["good"]
    assert broken.state is PluginState.FAILED
    assert broken.reason == f"hook {kind.hook} raised ZeroDivisionError: no luck"
    assert isinstance(broken.error, ZeroDivisionError)
    with pytest.raises(
        UnknownNameError, match=r"plugin 'broken' \(acme-broken 0\) is failed: hook .* no luck"
    ):
        empty.resolve(kind, "elsewhere")


@every_kind
def test_hook_raising_while_iterated_fails_its_plugin(empty: Kernel, kind: Kind) -> None:
    def generate() -> Iterator[type]:
        yield PLAIN_ITEMS[kind]
        raise OSError("halfway")

    record = empty.register(plugin_module(**{kind.hook: generate}), "acme")
    assert empty.items(kind) == ()
    assert record.reason == f"hook {kind.hook} raised OSError: halfway"
    assert record.provides[kind.plural] == ()


@every_kind
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "gave NoneType None, expected a list of classes that extend {base}"),
        ("abc", "gave str 'abc', expected a list of classes that extend {base}"),
        (int, "gave the class int, expected a list of classes that extend {base}"),
        ([3], "gave int 3, expected classes that extend {base}"),
        ([dict], "gave the class dict, expected classes that extend {base}"),
    ],
    ids=["none", "text", "a-class", "no-class", "another-class"],
)
def test_hook_of_wrong_type_fails_its_plugin(empty: Kernel, kind: Kind, given: object, said: str) -> None:
    record = empty.register(giving(kind, given), "acme")
    assert empty.items(kind) == ()
    assert record.state is PluginState.FAILED
    assert record.reason == f"hook {kind.hook} " + said.format(base=BASES[kind])


@every_kind
def test_hook_that_gives_an_instance_fails_its_plugin(empty: Kernel, kind: Kind) -> None:
    instance = object.__new__(PLAIN_ITEMS[kind])
    record = empty.register(giving(kind, [instance]), "acme")
    assert empty.items(kind) == ()
    assert f"expected classes that extend {BASES[kind]}" in record.reason


@every_kind
@pytest.mark.parametrize("name", [None, "", "Plain", "9lives", "a-b", "a:b", "é", 7])
def test_hook_item_with_a_bad_name_fails_its_plugin(empty: Kernel, kind: Kind, name: object) -> None:
    cls = type("Odd", (PLAIN_ITEMS[kind],), {"name": name, "outputs": ("odd",)})
    record = empty.register(giving(kind, [cls]), "acme")
    assert empty.items(kind) == ()
    assert f"gave Odd with the name {name!r}, expected lower-case letters" in record.reason


@every_kind
def test_hook_that_gives_one_name_twice_fails_its_plugin(empty: Kernel, kind: Kind) -> None:
    record = empty.register(giving(kind, [PLAIN_ITEMS[kind]] * 2), "acme")
    assert empty.items(kind) == ()
    assert record.reason == f"hook {kind.hook} gave two items of the name 'plain'"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not STRATEGY], ids=lambda kind: kind.hook)
def test_hook_item_with_missing_methods_fails_its_plugin(empty: Kernel, kind: Kind) -> None:
    cls = type("Half", (kind.base_class(),), {"name": "half", "schemes": ()})
    record = empty.register(giving(kind, [cls]), "acme")
    assert empty.items(kind) == ()
    assert "gave Half, which does not define " in record.reason


@every_kind
def test_hook_of_a_disabled_plugin_is_neither_imported_nor_called(packages: Path, kind: Kind) -> None:
    _marking_plugin(packages, kind.hook)
    kernel = Kernel(PluginSelection(disabled={"a list": ["acme"]}))
    kernel.items(kind)
    record = next(record for record in kernel.records if record.name == "acme")
    assert record.state is PluginState.DISABLED
    assert record.reason == "switched off by a list"
    assert record.module is None
    assert not (packages / "imported").exists()


def test_observer_of_a_disabled_plugin_is_neither_imported_nor_called(packages: Path) -> None:
    _marking_plugin(packages, OBSERVER_HOOK)
    kernel = Kernel(PluginSelection(disabled={"a list": ["acme-things"]}))
    assert kernel.signals_generated(_run(), _signals()) == []
    assert not (packages / "imported").exists()


def test_hook_of_an_enabled_plugin_is_imported_and_called(packages: Path) -> None:
    """The counterpart of the two above: without a list, the very same plugin leaves its mark."""
    _marking_plugin(packages, STRATEGY.hook)
    Kernel().items(STRATEGY)
    assert (packages / "imported").exists()
    assert (packages / "called").exists()


def test_observer_valid_is_told_run_and_signals(empty: Kernel) -> None:
    seen: list[Any] = []
    module = plugin_module(**{OBSERVER_HOOK: lambda run, signals: seen.append((run, signals))})
    record = empty.register(module, "acme")
    assert empty.signals_generated(_run(), _signals()) == []
    assert seen == [(_run(), _signals())]
    assert record.provides == {"observers": ()}


def test_observer_may_take_some_of_the_arguments(empty: Kernel) -> None:
    seen: list[Any] = []

    def one(signals: Any) -> None:
        seen.append(signals)

    def none() -> None:
        seen.append("called")

    for observer in (one, none):
        empty.register(plugin_module(observer.__name__, **{OBSERVER_HOOK: observer}), observer.__name__)
    assert empty.signals_generated(_run(), _signals()) == []
    assert sorted(map(str, seen)) == sorted(["called", str(_signals())])


@pytest.mark.parametrize("error", [ValueError("bad day"), SystemExit(3), GeneratorExit("bad day")])
def test_observer_raising_is_reported_and_the_others_are_told(empty: Kernel, error: BaseException) -> None:
    seen: list[Any] = []

    def explode(run: Any, signals: Any) -> None:
        raise error

    empty.register(plugin_module("a", **{OBSERVER_HOOK: explode}), "a", distribution="acme-a", version="1")
    empty.register(
        plugin_module("b", **{OBSERVER_HOOK: lambda run, signals: seen.append((run, signals))}), "b"
    )
    (failure,) = empty.signals_generated(_run(), _signals())
    assert failure.startswith(
        f"plugin 'a' (acme-a 1) failed while it observed signals: {type(error).__name__}"
    )
    assert seen == [(_run(), _signals())]


def test_observer_writing_to_what_it_is_told_changes_nothing(empty: Kernel) -> None:
    def spoil(run: Any, signals: Any) -> None:
        run["parameters"].clear()
        signals["price"].append(0.0)

    seen: list[Any] = []
    empty.register(plugin_module("a", **{OBSERVER_HOOK: spoil}), "a")
    empty.register(
        plugin_module("b", **{OBSERVER_HOOK: lambda run, signals: seen.append((run, signals))}), "b"
    )
    run, signals = _run(), _signals()
    assert empty.signals_generated(run, signals) == []
    assert (run, signals) == (_run(), _signals())
    assert seen == [(_run(), _signals())]


def test_observer_of_wrong_signature_is_refused(packages: Path) -> None:
    source = f"from stratkernel import hookimpl\n@hookimpl\ndef {OBSERVER_HOOK}(run, candles):\n    pass\n"
    fake_distribution(
        packages, "acme", entry_points={"acme": "acme_plugin"}, modules={"acme_plugin.py": source}
    )
    record = next(record for record in Kernel().records if record.name == "acme")
    assert record.state is PluginState.INCOMPATIBLE
    assert "wrong signature" in record.reason
    assert "candles" in record.reason


# the kernel hands these on without looking at them
def _run() -> Any:
    return {"strategy": "acme:plain", "parameters": {"period": 3}}


def _signals() -> Any:
    return {"price": [1.0, 2.0]}


def _marking_plugin(folder: Path, hook: str) -> None:
    """A plugin that leaves a file when it is imported and another when it is called."""
    source = (
        "from pathlib import Path\n"
        "from stratkernel import hookimpl\n"
        f"Path({str(folder)!r}, 'imported').touch()\n"
        "@hookimpl\n"
        f"def {hook}():\n"
        f"    Path({str(folder)!r}, 'called').touch()\n"
        "    return []\n"
    )
    fake_distribution(
        folder, "acme-things", entry_points={"acme": "acme_things"}, modules={"acme_things.py": source}
    )
