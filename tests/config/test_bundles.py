"""Bundles: exported, verified, imported whole or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from made_catalogue import MadeCatalogue, MadeItem
from stratkernel_config.bundles import bundle_hash, import_bundle, make_bundle
from stratkernel_config.documents import load_json
from stratkernel_config.errors import ConfigError, DocumentError, NameTakenError
from stratkernel_config.files import write_json
from stratkernel_config.managers import DocumentManager, IndicatorManager, StrategyManager

Managers = list[DocumentManager[Any]]


@pytest.fixture
def bundle(manager: StrategyManager, indicators: IndicatorManager, tmp_path: Path) -> Path:
    """A bundle of two strategies and an indicator."""
    manager.create("one", "cross-calm", {"level": 0.1}, tags=["caf\u00e9"])
    manager.create("two", "cross-quick")
    indicators.create("band-1", "band-wide")
    path = tmp_path / "bundle.json"
    write_json(path, make_bundle([(manager, "one"), (manager, "two"), (indicators, "band-1")]))
    return path


@pytest.fixture
def others(tmp_path: Path, catalogue: MadeCatalogue) -> Managers:
    """The managers of another home."""
    home = tmp_path / "other"
    return [StrategyManager(home, catalogue), IndicatorManager(home, catalogue)]


def stored(managers: Managers) -> dict[str, bytes]:
    return {name: each.store.read(name).data for each in managers for name in each.store.names()}


def changed(path: Path, *, hashed: bool = True, **fields: Any) -> Path:
    raw = load_json(path) | fields
    write_json(path, raw | {"hash": bundle_hash(raw)} if hashed else raw)
    return path


def test_bundle_names_each_distribution_its_version_and_its_range(bundle: Path) -> None:
    raw = load_json(bundle)
    assert raw["requires"] == {"acme-cross": {"version": "1.4.2", "range": ">=1.4,<2"}}
    assert [document["name"] for document in raw["strategies"]] == ["one", "two"]
    assert [document["name"] for document in raw["indicators"]] == ["band-1"]


def test_bundle_comes_back_byte_by_byte(
    bundle: Path, others: Managers, manager: StrategyManager, indicators: IndicatorManager
) -> None:
    plan = import_bundle(bundle, others)
    assert {step.action for step in plan} == {"new"}
    assert stored(others) == stored([manager, indicators])
    again = make_bundle([(others[0], "one"), (others[0], "two"), (others[1], "band-1")])
    assert again == load_json(bundle)


def test_bundle_with_a_dry_run_writes_nothing(bundle: Path, others: Managers, tmp_path: Path) -> None:
    assert len(import_bundle(bundle, others, dry_run=True)) == 3
    assert not (tmp_path / "other").exists()


def test_bundle_that_was_changed_is_refused(bundle: Path, others: Managers) -> None:
    text = bundle.read_text(encoding="utf-8").replace('"level": 0.1', '"level": 0.2')
    bundle.write_text(text, encoding="utf-8")
    with pytest.raises(DocumentError, match=r"\$\.hash: expected sha256:.*changed or damaged"):
        import_bundle(bundle, others)
    assert stored(others) == {}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ([], "expected a bundle made by"),
        ({"strategy": "x"}, "expected a bundle made by"),
        ({"bundle_version": 2}, "expected at most version 1, the newest that this stratkernel knows"),
        ({"bundle_version": "1", "hash": ""}, "$.bundle_version: expected a valid integer, got '1'"),
        ({"bundle_version": 1, "hash": "", "x": 1}, "$.x: expected only known keys"),
        ({"bundle_version": 1}, "$.hash: expected a value, got nothing"),
    ],
)
def test_bundle_that_is_none_is_refused(tmp_path: Path, others: Managers, raw: Any, said: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(DocumentError) as refused:
        import_bundle(path, others)
    assert said in str(refused.value)


def test_bundle_whose_plugin_is_missing_says_the_line_to_type(bundle: Path, tmp_path: Path) -> None:
    elsewhere = MadeCatalogue(strategy=[MadeItem("other", "acme-other")])
    managers: Managers = [each(tmp_path / "x", elsewhere) for each in (StrategyManager, IndicatorManager)]
    with pytest.raises(ConfigError) as refused:
        import_bundle(bundle, managers)
    assert "acme-cross 1.4.2: not installed" in str(refused.value)
    assert str(refused.value).splitlines()[-1].strip() == 'pip install "acme-cross>=1.4,<2"'
    assert stored(managers) == {}


def test_bundle_that_needs_another_release_says_which_is_there(
    bundle: Path, others: Managers, catalogue: MadeCatalogue
) -> None:
    catalogue.releases["acme-cross"] = "2.0"
    with pytest.raises(ConfigError, match=r"acme-cross 1\.4\.2: installed is 2\.0"):
        import_bundle(bundle, others)


@pytest.mark.parametrize(
    "requires", [{'x"; rm': {"version": "1", "range": ""}}, {"x": {"version": "1", "range": "; rm"}}]
)
def test_bundle_whose_requirements_are_no_names_and_ranges_is_refused(
    bundle: Path, others: Managers, requires: Any
) -> None:
    with pytest.raises(ConfigError, match="requires"):
        import_bundle(changed(bundle, requires=requires), others)


def test_bundle_with_a_taken_name_is_refused_whole(bundle: Path, others: Managers) -> None:
    others[0].create("TWO", "cross-calm")
    before = stored(others)
    with pytest.raises(
        NameTakenError, match="say --rename, --overwrite or --skip:\n  strategy 'two' is there"
    ):
        import_bundle(bundle, others)
    assert stored(others) == before


def test_bundle_with_rename_gives_a_free_name(bundle: Path, others: Managers) -> None:
    others[0].create("two", "cross-calm")
    others[0].create("two-2", "cross-calm")
    plan = import_bundle(bundle, others, collision="rename")
    assert [(step.name, step.new_name, step.action) for step in plan] == [
        ("one", "one", "new"), ("two", "two-3", "renamed"), ("band-1", "band-1", "new"),
    ]  # fmt: skip
    assert others[0].get("two-3").document.parameters == {"fast": 2}


def test_bundle_with_overwrite_replaces_and_keeps_a_backup(bundle: Path, others: Managers) -> None:
    old = others[0].create("two", "cross-calm")
    import_bundle(bundle, others, collision="overwrite")
    assert others[0].get("two").document.parameters == {"fast": 2}
    assert load_json(old.path.with_name("two.json.bak")) == old.raw


def test_bundle_with_skip_leaves_what_is_there(bundle: Path, others: Managers) -> None:
    old = others[0].create("two", "cross-calm")
    plan = import_bundle(bundle, others, collision="skip")
    assert [step.action for step in plan] == ["new", "skipped", "new"]
    assert others[0].get("two") == old


def test_bundle_asks_for_each_taken_name(bundle: Path, others: Managers) -> None:
    others[0].create("two", "cross-calm")
    asked: list[tuple[str, str]] = []

    def ask(kind: str, name: str) -> Any:
        asked.append((kind, name))
        return "skip"

    import_bundle(bundle, others, collision=ask)
    assert asked == [("strategy", "two")]


def test_bundle_with_one_invalid_document_imports_none_and_says_all(bundle: Path, others: Managers) -> None:
    raw = load_json(bundle)
    raw["strategies"][0]["parameters"] = {"fast": 0}
    raw["strategies"][1]["name"] = ""
    with pytest.raises(DocumentError) as refused:
        import_bundle(changed(bundle, strategies=raw["strategies"]), others)
    text = str(refused.value)
    assert "$.strategies[0]: $.parameters.fast: expected greater than or equal to 1" in text
    assert "$.strategies[1]: $.name: expected text" in text
    assert stored(others) == {}


def test_bundle_that_is_cut_off_while_it_is_written_is_completed(
    bundle: Path, others: Managers, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stratkernel_config import transaction

    real, written = transaction.write_json, []

    def failing(path: Path, *rest: Any, **options: Any) -> bytes:
        written.append(path.name)
        if len(written) == 3:  # the journal, the first document, and no further
            raise KeyboardInterrupt
        return real(path, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(transaction, "write_json", failing)
        with pytest.raises(KeyboardInterrupt):
            import_bundle(bundle, others)
    assert sorted(stored(others)) == ["band-1", "one", "two"]


def test_bundle_with_hostile_names_writes_nothing_outside(
    bundle: Path, others: Managers, tmp_path: Path
) -> None:
    raw = load_json(bundle)
    raw["strategies"][0]["name"] = "../../../escaped"
    with pytest.raises(ConfigError, match=r"name '\.\./\.\./\.\./escaped'"):
        import_bundle(changed(bundle, strategies=raw["strategies"]), others)
    assert list(tmp_path.rglob("*escaped*")) == []
