"""All settings: the file, then the environment, then flags; where each comes from; nothing secret shown."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from stratkernel_config.errors import ConfigError, DocumentError
from stratkernel_config.settings import preferred_providers
from stratkernel_config.user_settings import IN_FILE, Settings, load_settings, redacted, resolve_secret

CANARY = "hush-canary"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("STRATKERNEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STRATKERNEL_HOME", str(tmp_path))
    return tmp_path


def write(folder: Path, **values: Any) -> None:
    (folder / "settings.json").write_text(json.dumps(values), encoding="utf-8")


def test_settings_without_a_file_are_defaults(folder: Path) -> None:
    loaded = load_settings()
    assert loaded.settings.home == folder
    assert loaded.settings.database_url == f"sqlite:///{folder.as_posix()}/stratkernel.db"
    assert (loaded.settings.ui_host, loaded.settings.ui_port) == ("127.0.0.1", 8050)
    assert set(loaded.origins.values()) == {"default", "STRATKERNEL_HOME"}


def test_settings_of_a_home_with_letters_that_mean_something_in_urls_name_its_file(folder: Path) -> None:
    loaded = load_settings({"home": folder / "50% off?"})
    assert loaded.settings.database_url == f"sqlite:///{folder.as_posix()}/50%25 off%3F/stratkernel.db"


def test_settings_of_flags_beat_the_environment_which_beats_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, log_level="error", executor="dask://a", ui={"port": 1000, "host": "::1"})
    monkeypatch.setenv("STRATKERNEL_EXECUTOR", "dask://b")
    monkeypatch.setenv("STRATKERNEL_UI_PORT", "2000")
    loaded = load_settings({"ui_port": "3000", "executor": None})
    settings, origins = loaded.settings, loaded.origins
    assert (settings.log_level, settings.executor) == ("error", "dask://b")
    assert (settings.ui_port, settings.ui_host) == (3000, "::1")
    file = str(folder / "settings.json")
    assert (origins["log_level"], origins["ui_host"]) == (file, file)
    assert (origins["executor"], origins["ui_port"]) == ("STRATKERNEL_EXECUTOR", "flag")


def test_settings_shown_have_every_setting_its_value_and_its_origin(folder: Path) -> None:
    shown = load_settings().shown()
    assert [each["name"] for each in shown] == ["home", *IN_FILE.values()]
    assert all(each["origin"] and each["description"] and each["variable"] for each in shown)
    assert len(shown) == len(Settings.model_fields)


def test_settings_lists_of_disabled_plugins_add_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, plugins={"disabled": ["ema"], "preferred": {"rsi": "acme-rsi"}})
    monkeypatch.setenv("STRATKERNEL_DISABLE", "rsi, macd")
    loaded = load_settings()
    assert set(loaded.settings.disable) == {"ema", "rsi", "macd"}
    assert loaded.origins["disable"] == f"{folder / 'settings.json'} and STRATKERNEL_DISABLE"
    assert loaded.settings.prefer == preferred_providers(folder) == {"rsi": "acme-rsi"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"ui": {"prot": 1}},
            "$.ui.prot: expected only known settings (did you mean 'ui.port'?), got 'ui.prot'",
        ),
        ({"colour": 1}, "$.colour: expected only known settings (there are: database_url,"),
        ({"ui": 3}, "$.ui: expected an object, got 3"),
        ({"ui": {"port": 0}}, "$.ui.port: expected greater than or equal to 1, got 0"),
        ({"ui": {"port": "x"}}, "$.ui.port: expected a valid integer"),
        ({"log_level": "loud"}, "$.log_level: expected 'debug', 'info', 'warning' or 'error', got 'loud'"),
        ({"executor": "No Such"}, "$.executor: "),
        ({"plugins": {"disabled": 7}}, "$.plugins.disabled: expected a valid tuple, got 7"),
        ({"retention": 7}, "$.retention: expected an object, got 7"),
        ({"retention": {"run": []}}, "$.retention.run: expected an object, got []"),
        (
            {"retention": {"sweeps": {}}},
            "$.retention.sweeps: expected only known keys (there are: run, batch, sweep, live), got 'sweeps'",
        ),
        (
            {"retention": {"run": {"max_age": 3}}},
            "$.retention.run.max_age: expected only known keys (there are: max_age_days, max_runs,",
        ),
        (
            {"retention": {"live": {"max_age_days": 0}}},
            "$.retention.live.max_age_days: expected greater than or equal to 1, got 0",
        ),
        ({"retention": {"run": {"max_runs": 1.5}}}, "$.retention.run.max_runs: expected a valid integer"),
    ],
)
def test_settings_of_a_wrong_file_are_refused_with_file_and_place(
    folder: Path, values: dict[str, Any], said: str
) -> None:
    write(folder, **values)
    with pytest.raises(DocumentError) as refused:
        load_settings()
    assert str(refused.value).startswith(f"{folder / 'settings.json'}: {said}")


def test_settings_of_a_wrong_variable_name_the_variable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATKERNEL_UI_PORT", "many")
    with pytest.raises(DocumentError, match=r"^STRATKERNEL_UI_PORT \(ui_port\): expected a valid integer"):
        load_settings()


def test_settings_without_retention_keep_all_runs(folder: Path) -> None:
    assert list(load_settings().settings.retention.limits()) == []


def test_settings_of_retention_come_from_the_file_or_a_variable_as_json(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, retention={"sweep": {"max_age_days": 30, "max_runs": None}})
    loaded = load_settings()
    assert loaded.settings.retention.shown() == {"sweep": {"max_age_days": 30}}
    assert {"sweep": {"max_age_days": 30}} in [each["value"] for each in loaded.shown()]
    monkeypatch.setenv("STRATKERNEL_RETENTION", '{"run": {"max_runs": 5, "max_signals": 9}}')
    assert load_settings().settings.retention.shown() == {"run": {"max_runs": 5, "max_signals": 9}}


def test_settings_of_retention_that_are_no_json_name_the_variable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATKERNEL_RETENTION", "keep all")
    with pytest.raises(DocumentError, match=r"^STRATKERNEL_RETENTION:1:1: expected"):
        load_settings()
    monkeypatch.setenv("STRATKERNEL_RETENTION", '{"run": {"max_runs": -1}}')
    said = r"^STRATKERNEL_RETENTION \(retention\.run\.max_runs\): expected greater than or equal to 0, got -1"
    with pytest.raises(DocumentError, match=said):
        load_settings()


def test_settings_with_a_wrong_file_list_and_a_variable_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, plugins={"disabled": 7})
    monkeypatch.setenv("STRATKERNEL_DISABLE", "rsi")
    with pytest.raises(ConfigError, match=r"plugins\.disabled: expected a list"):
        load_settings()


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{CANARY}@host/db",
        f"postgresql+psycopg://me:{CANARY}@host:5432/db?sslmode=require",
        f"postgresql://host/db?user=me&password={CANARY}",
        f"duckdb:///x?motherduck_token={CANARY}&a=b",
    ],
)
def test_j12_passwords_in_urls_are_not_shown(folder: Path, url: str) -> None:
    write(folder, database_url=url)
    loaded = load_settings()
    assert loaded.settings.database_url == url
    assert CANARY not in json.dumps(loaded.shown())
    assert "***" in redacted("database_url", url)


@pytest.mark.parametrize("place", ["file", "environment", "flag"])
def test_j12_a_password_that_is_no_reference_is_refused_and_not_repeated(
    folder: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    if place == "file":
        write(folder, ui={"password": CANARY})
    if place == "environment":
        monkeypatch.setenv("STRATKERNEL_UI_PASSWORD", CANARY)
    with pytest.raises(DocumentError, match=r"expected \$env:NAME") as refused:
        load_settings({"ui_password": CANARY} if place == "flag" else None)
    assert CANARY not in str(refused.value)
    assert CANARY not in repr(refused.value.problems)


def test_j12_a_reference_is_shown_and_resolved_when_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, ui={"password": "$env:MY_PASSWORD"})
    monkeypatch.setenv("MY_PASSWORD", CANARY)
    loaded = load_settings()
    reference = "$env:MY_PASSWORD"
    assert loaded.settings.ui_password == reference
    assert CANARY not in json.dumps(loaded.shown())
    assert resolve_secret(reference) == CANARY


@pytest.mark.parametrize("reference", ["hush", "$env:", "$env:NOT_SET_ANYWHERE", "$file:/x"])
def test_resolve_secret_that_leads_nowhere_is_refused(reference: str) -> None:
    with pytest.raises(ConfigError):
        resolve_secret(reference)
