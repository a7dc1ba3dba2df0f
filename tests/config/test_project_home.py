"""A new project home, and the JSON Schema in it."""

import json
from pathlib import Path

import jsonschema
import pytest

from made_catalogue import MadeCatalogue, MadeItem, template
from stratkernel_config.documents import load_json
from stratkernel_config.errors import CatalogueError, ConfigError
from stratkernel_config.managers import IndicatorManager, StrategyManager
from stratkernel_config.models import IndicatorDocument, StrategyDocument
from stratkernel_config.project import export_templates, make_home
from stratkernel_config.schema import DRAFT, document_schema
from stratkernel_config.user_settings import load_settings


def test_make_home_makes_settings_templates_schemas_and_a_readme_of_ten_lines(
    manager: StrategyManager, indicators: IndicatorManager, home: Path
) -> None:
    written = make_home(home, (manager, indicators))
    assert sorted(path.relative_to(home).as_posix() for path in written) == [
        "README.md",
        "config/indicators/templates/band-wide.json",
        "config/indicators/templates/indicator.schema.json",
        "config/strategies/templates/cross-calm.json",
        "config/strategies/templates/cross-quick.json",
        "config/strategies/templates/strategy.schema.json",
        "settings.json",
    ]
    assert len((home / "README.md").read_text(encoding="utf-8").splitlines()) <= 11
    assert (home / "config/strategies/user_strategies").is_dir()
    assert load_settings({"home": home}).settings.home == home


def test_make_home_again_keeps_what_is_the_users(
    manager: StrategyManager, indicators: IndicatorManager, home: Path
) -> None:
    make_home(home, (manager, indicators))
    (home / "settings.json").write_text('{"log_level": "error"}', encoding="utf-8")
    (home / "config/strategies/templates/cross-calm.json").write_text("{}", encoding="utf-8")
    manager.create("mine", "cross-calm")
    make_home(home, (manager, indicators))
    assert load_json(home / "settings.json") == {"log_level": "error"}
    assert load_json(home / "config/strategies/templates/cross-calm.json")["name"] == "cross-calm"
    assert manager.get("mine")


@pytest.mark.parametrize("place", ["home", "home/config", "home/config/strategies"])
def test_make_home_where_a_file_stands_is_refused(
    manager: StrategyManager, tmp_path: Path, home: Path, place: str
) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="a file stands where a folder must be"):
        make_home(home, (manager,))


def test_make_home_whose_folder_leads_elsewhere_is_refused(
    manager: StrategyManager, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    home.mkdir()
    (home / "config").symlink_to(tmp_path / "outside")
    with pytest.raises(ConfigError, match="no link may do that"):
        make_home(home, (manager,))
    assert list((tmp_path / "outside").iterdir()) == []


def test_export_templates_of_two_plugins_with_one_name_have_a_file_each(home: Path) -> None:
    items = [MadeItem("cross", name, templates=[template()]) for name in ("acme-one", "acme-two")]
    paths = export_templates(StrategyManager(home, MadeCatalogue(strategy=items)))
    assert [path.name for path in paths] == [
        "acme-one.cross-calm.json", "acme-two.cross-calm.json", "strategy.schema.json"
    ]  # fmt: skip


@pytest.mark.parametrize("model", [StrategyDocument, IndicatorDocument])
@pytest.mark.parametrize("named", [True, False])
def test_document_schema_is_a_sound_schema(model: type, catalogue: MadeCatalogue, *, named: bool) -> None:
    subject = catalogue.items(model.kind)[0].qualified if named else None  # type: ignore[attr-defined]
    schema = document_schema(model, catalogue, subject)
    assert schema["$schema"] == DRAFT
    jsonschema.Draft202012Validator.check_schema(schema)
    json.dumps(schema, allow_nan=False)


def test_document_schema_has_titles_units_bounds_defaults_and_examples(catalogue: MadeCatalogue) -> None:
    schema = document_schema(StrategyDocument, catalogue, "cross")
    fast = schema["$defs"]["acme-cross:cross"]["properties"]["fast"]
    assert fast == {
        "title": "Fast",
        "description": "candles",
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "default": 5,
        "examples": [10, 2],
    }
    assert schema["properties"]["timeframe"]["anyOf"][0]["enum"] == ["1m", "1h", "1d"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"parameters": {"fast": 0}}, "parameters/fast"),
        ({"parameters": {"fst": 1}}, "parameters"),
        ({"strategy": "other"}, "strategy"),
        ({"timeframe": "7h"}, "timeframe"),
        ({"schema_version": 1}, "schema_version"),
        ({"name": "../x"}, "name"),
        ({"extra": 1}, ""),
    ],
)
def test_document_schema_refuses_what_the_loader_refuses(
    catalogue: MadeCatalogue, change: dict[str, object], path: str
) -> None:
    validator = jsonschema.Draft202012Validator(document_schema(StrategyDocument, catalogue))
    assert list(validator.iter_errors(template(strategy="acme-cross:cross", timeframe="1h"))) == []
    assert path in [
        "/".join(map(str, error.path)) for error in validator.iter_errors({**template(), **change})
    ]


def test_document_schema_of_an_unknown_strategy_is_refused(catalogue: MadeCatalogue) -> None:
    with pytest.raises(CatalogueError):
        document_schema(StrategyDocument, catalogue, "nothing")
