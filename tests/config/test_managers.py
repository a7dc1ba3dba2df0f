"""A user's documents, from templates to the trash."""

import json
from pathlib import Path

import pytest

from made_catalogue import MadeCatalogue, MadeItem, template
from stratkernel_config.documents import load_json
from stratkernel_config.errors import (
    CatalogueError,
    ConfigError,
    DocumentError,
    NameTakenError,
    StaleDocumentError,
    UnknownDocumentError,
)
from stratkernel_config.managers import IndicatorManager, StrategyManager
from stratkernel_config.models import StrategyDocument


def files(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "config/strategies/user_strategies").glob("*.json"))


def put(home: Path, name: str, text: str) -> Path:
    path = home / "config" / "strategies" / "user_strategies" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_create_writes_a_document_that_names_its_plugin_in_full(manager: StrategyManager, home: Path) -> None:
    saved = manager.create("mine", "cross-calm", {"fast": 9}, timeframe="1h")
    assert load_json(home / "config/strategies/user_strategies/mine.json") == {
        "schema_version": 2,
        "name": "mine",
        "strategy": "acme-cross:cross",
        "parameters": {"fast": 9, "slow": 50},
        "timeframe": "1h",
        "requires": {"acme-cross": ">=1.4,<2"},
    }
    assert manager.get("mine") == saved


def test_create_from_an_unknown_template_names_those_there_are(manager: StrategyManager) -> None:
    with pytest.raises(UnknownDocumentError, match="there are: cross-calm, cross-quick"):
        manager.create("mine", "nothing")


def test_create_with_a_wrong_parameter_writes_nothing(manager: StrategyManager, home: Path) -> None:
    with pytest.raises(DocumentError, match="expected fast to be smaller than slow, got 60 and 50"):
        manager.create("mine", "cross-calm", {"fast": 60})
    assert files(home) == []


@pytest.mark.parametrize("name", ["mine", "MINE"])
def test_create_under_a_taken_name_is_refused_in_capitals_too(manager: StrategyManager, name: str) -> None:
    manager.create("mine", "cross-calm")
    with pytest.raises(NameTakenError, match="there is a document of this name already"):
        manager.create(name, "cross-quick")
    assert manager.get("mine").document.parameters["slow"] == 50


def test_create_under_the_name_of_an_installed_strategy_is_refused(manager: StrategyManager) -> None:
    with pytest.raises(NameTakenError, match="'cross' is the name of an installed strategy"):
        manager.create("cross", "cross-calm")


def test_save_takes_a_model_and_writes_what_was_said_only(manager: StrategyManager, home: Path) -> None:
    document = StrategyDocument(schema_version=2, name="mine", strategy="cross", parameters={"fast": 3})
    saved = manager.save(document)
    assert saved.document == document
    assert list(load_json(saved.path)) == ["schema_version", "name", "strategy", "parameters"]


def test_get_of_an_unknown_name_suggests_a_near_one(manager: StrategyManager) -> None:
    manager.create("mine", "cross-calm")
    with pytest.raises(UnknownDocumentError, match=r"no document 'mime' in .*; did you mean 'mine'\?"):
        manager.get("mime")


def test_get_of_a_document_under_another_files_name_is_refused(manager: StrategyManager, home: Path) -> None:
    put(home, "b", json.dumps(template("a")))
    with pytest.raises(DocumentError, match=r"\$\.name: expected 'b', as the file is called, got 'a'"):
        manager.get("b")


def test_list_of_an_empty_home_is_empty(manager: StrategyManager) -> None:
    assert manager.list() == []


def test_list_shows_invalid_files_with_all_errors_beside_the_valid_ones(
    manager: StrategyManager, home: Path
) -> None:
    manager.create("good", "cross-calm")
    put(home, "torn", '{"schema_version": 2,\n "name": }')
    put(home, "wrong", json.dumps(template("wrong", timeframe="9h", parameters={"fast": 0})))
    put(home, "bad name", "{}")
    listed = {each.name: each for each in manager.list()}
    assert {name: each.valid for name, each in listed.items()} == {
        "bad name": False, "good": True, "torn": False, "wrong": False
    }  # fmt: skip
    assert [error.place for error in listed["torn"].errors] == ["2:10"]
    assert [error.place for error in listed["wrong"].errors] == ["$.timeframe", "$.parameters.fast"]
    assert "expected 1 to 64 letters" in str(listed["bad name"].errors[0])


def test_update_with_the_hash_that_was_read_saves_and_keeps_a_backup(manager: StrategyManager) -> None:
    first = manager.create("mine", "cross-calm")
    before = first.path.read_bytes()
    second = manager.update("mine", {**first.raw, "description": "new"}, expected_hash=first.content_hash)
    assert manager.get("mine").document.description == "new"
    assert second.content_hash != first.content_hash
    assert first.path.with_name("mine.json.bak").read_bytes() == before


def test_update_after_somebody_else_saved_is_refused_with_the_difference(manager: StrategyManager) -> None:
    read = manager.create("mine", "cross-calm")
    manager.update("mine", {**read.raw, "description": "theirs"}, expected_hash=read.content_hash)
    with pytest.raises(StaleDocumentError) as refused:
        manager.update("mine", {**read.raw, "description": "ours"}, expected_hash=read.content_hash)
    assert '-  "description": "theirs",' in str(refused.value)
    assert '+  "description": "ours",' in str(refused.value)
    assert manager.get("mine").document.description == "theirs"


def test_update_that_is_not_valid_leaves_the_file_as_it_is(manager: StrategyManager) -> None:
    saved = manager.create("mine", "cross-calm")
    with pytest.raises(DocumentError):
        manager.update("mine", {**saved.raw, "timeframe": "x"}, expected_hash=saved.content_hash)
    assert manager.get("mine") == saved


def test_rename_moves_the_file_and_the_name_in_it(manager: StrategyManager, home: Path) -> None:
    manager.create("mine", "cross-calm")
    assert manager.rename("mine", "yours").document.name == "yours"
    assert files(home) == ["yours.json"]


def test_rename_to_other_capitals_is_no_clash(manager: StrategyManager, home: Path) -> None:
    manager.create("mine", "cross-calm")
    manager.rename("mine", "Mine")
    assert files(home) == ["Mine.json"]


@pytest.mark.parametrize("taken", ["yours", "mine", "cross"])
def test_rename_to_a_taken_name_is_refused(manager: StrategyManager, home: Path, taken: str) -> None:
    manager.create("mine", "cross-calm")
    manager.create("yours", "cross-calm")
    with pytest.raises(NameTakenError):
        manager.rename("mine", taken)
    assert files(home) == ["mine.json", "yours.json"]


def test_duplicate_is_the_same_under_another_name(manager: StrategyManager) -> None:
    first = manager.create("mine", "cross-calm", {"fast": 7}, tags=["x"])
    second = manager.duplicate("mine", "twin")
    assert {**second.raw, "name": "mine"} == first.raw


def test_delete_and_restore_give_the_last_one_back(manager: StrategyManager, home: Path) -> None:
    manager.create("mine", "cross-calm")
    manager.delete("mine")
    second = manager.create("mine", "cross-quick")
    where = manager.delete("mine")
    assert files(home) == []
    assert where == home / "config" / "strategies" / "trash" / "mine.2.json"
    assert manager.restore("mine").raw == second.raw
    assert not where.exists()


def test_delete_takes_a_file_that_is_not_valid_too(manager: StrategyManager, home: Path) -> None:
    put(home, "torn", "{")
    assert manager.delete("torn").read_text(encoding="utf-8") == "{"


def test_restore_over_a_document_is_refused(manager: StrategyManager) -> None:
    manager.create("mine", "cross-calm")
    manager.delete("mine")
    manager.create("mine", "cross-calm")
    with pytest.raises(NameTakenError):
        manager.restore("mine")


@pytest.mark.parametrize("act", ["delete", "restore", "get", "validate"])
def test_methods_on_an_unknown_name_say_so(manager: StrategyManager, act: str) -> None:
    with pytest.raises(UnknownDocumentError, match="no document 'gone' in "):
        getattr(manager, act)("gone")


def test_validate_gives_all_problems_or_none(manager: StrategyManager, home: Path) -> None:
    manager.create("good", "cross-calm")
    put(home, "wrong", json.dumps(template("wrong", timeframe="9h", tags=1)))
    assert manager.validate("good") == ()
    assert [problem.place for problem in manager.validate("wrong")] == ["$.tags", "$.timeframe"]


def test_upgrade_rewrites_only_when_asked(manager: StrategyManager, home: Path) -> None:
    path = put(home, "old", json.dumps(template("old", schema_version=1, gaps="reset")))
    before = path.read_bytes()
    assert manager.get("old").version_on_disk == 1
    assert path.read_bytes() == before
    version, saved = manager.upgrade("old")
    assert (version, saved.version_on_disk) == (1, 2)
    assert load_json(path)["gaps"] == {"policy": "reset"}
    assert path.with_name("old.json.bak").read_bytes() == before
    assert manager.upgrade("old") == (2, saved)


def test_templates_of_a_failing_plugin_hide_nobody_elses(home: Path) -> None:
    broken = MadeItem("broken", "acme-broken", templates=CatalogueError("it raised"))
    wrong = MadeItem("wrong", "acme-wrong", templates=[{"name": "w", "strategy": "wrong"}, 5])
    catalogue = MadeCatalogue(strategy=[broken, wrong, MadeItem("cross", templates=[template()])])
    found = {each.name: each for each in StrategyManager(home, catalogue).templates()}
    assert found["cross-calm"].checked is not None
    assert "it raised" in str(found["broken"].errors[0])
    assert "$.schema_version" in str(found["w"].errors[0])
    assert "expected an object, got 5" in str(found["wrong"].errors[0])
    with pytest.raises(DocumentError):
        StrategyManager(home, catalogue).create("mine", "w")


def test_template_of_two_plugins_needs_its_distribution(home: Path) -> None:
    one, two = (MadeItem("cross", name, templates=[template()]) for name in ("acme-one", "acme-two"))
    manager = StrategyManager(home, MadeCatalogue(strategy=[one, two]))
    with pytest.raises(UnknownDocumentError, match="use acme-one:cross-calm or acme-two:cross-calm"):
        manager.create("mine", "cross-calm")
    assert manager.create("mine", "acme-two:cross-calm").document.strategy == "acme-two:cross"


def test_indicators_are_documents_of_the_same_mechanism(indicators: IndicatorManager, home: Path) -> None:
    saved = indicators.create("my-band", "band-wide", timeframe="1d")
    assert saved.path == home / "config" / "indicators" / "user_indicators" / "my-band.json"
    assert saved.document.display.color == "#aabbcc"
    assert [each.name for each in indicators.list()] == ["my-band"]
    indicators.rename("my-band", "b")
    indicators.delete("b")
    assert indicators.restore("b").document.indicator == "acme-cross:band"


def test_transaction_that_was_cut_off_is_completed_by_whoever_comes_next(
    manager: StrategyManager, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.create("mine", "cross-calm")
    with monkeypatch.context() as patch:
        patch.setattr("stratkernel_config.transaction.Transactions._finish", lambda self: None)
        with pytest.raises(UnknownDocumentError):
            manager.rename("mine", "yours")  # killed right after it wrote down what to do
    assert files(home) == ["mine.json"]
    assert [each.name for each in manager.list()] == ["yours"]
    assert not (home / "config" / ".pending.json").exists()


@pytest.mark.parametrize(
    "plan", ["[]", "{}", '{"write": {"../x.json": {}}, "remove": []}', '{"write": {}, "remove": ["a"]}']
)
def test_transaction_that_is_not_ours_is_refused(manager: StrategyManager, home: Path, plan: str) -> None:
    manager.create("mine", "cross-calm")
    (home / "config" / ".pending.json").write_text(plan, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"\.pending\.json: not written by stratkernel; remove it"):
        manager.list()
    assert not (home / "x.json").exists()
