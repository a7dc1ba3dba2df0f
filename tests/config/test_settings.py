"""The settings file and the project home."""

from pathlib import Path

import pytest

from stratkernel_config.errors import ConfigError
from stratkernel_config.home import project_home, using_home
from stratkernel_config.settings import disabled_plugins, preferred_providers


def write(home: Path, text: str) -> Path:
    path = home / "settings.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_disabled_plugins_without_a_file_are_none(tmp_path: Path) -> None:
    assert disabled_plugins(tmp_path) == frozenset()
    assert disabled_plugins(tmp_path / "nowhere") == frozenset()


@pytest.mark.parametrize("text", ["{}", '{"plugins": {}}', '{"plugins": {"disabled": []}}', '{"other": 1}'])
def test_disabled_plugins_of_a_file_that_names_none_are_none(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    assert disabled_plugins(tmp_path) == frozenset()


def test_disabled_plugins_are_read_from_the_project_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, '{"plugins": {"disabled": ["rsi", "acme-vwap"]}}')
    monkeypatch.setenv("STRATKERNEL_HOME", str(tmp_path))
    assert disabled_plugins() == {"rsi", "acme-vwap"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "the whole file: expected an object, got []"),
        ('{"plugins": []}', "plugins: expected an object, got []"),
        ('{"plugins": {"disabled": "rsi"}}', "plugins.disabled: expected a list of plugin names, got 'rsi'"),
        ('{"plugins": {"disabled": [1]}}', "plugins.disabled: expected a list of plugin names, got [1]"),
        ('{"plugins": {"disabled": ["rsi"', "expected ',' delimiter"),
    ],
)
def test_disabled_plugins_of_a_wrong_file_are_an_error_that_names_the_place(
    tmp_path: Path, text: str, said: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        disabled_plugins(tmp_path)
    assert str(refused.value).startswith(str(path))
    assert said in str(refused.value)


def test_project_home_is_what_the_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATKERNEL_HOME", "/somewhere/else")
    assert project_home() == Path("/somewhere/else")
    monkeypatch.setenv("STRATKERNEL_HOME", "~/strategies")
    assert project_home() == Path.home() / "strategies"


@pytest.mark.parametrize("value", [None, ""])
def test_project_home_by_default_is_the_folder_for_user_data(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("STRATKERNEL_HOME", raising=False)
    if value is not None:
        monkeypatch.setenv("STRATKERNEL_HOME", value)
    assert project_home().is_absolute()
    assert project_home().name == "stratkernel"


def test_project_home_is_what_a_command_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATKERNEL_HOME", "/somewhere/else")
    with using_home(tmp_path):
        assert project_home() == tmp_path
        with using_home(None):
            assert project_home() == tmp_path
    assert project_home() == Path("/somewhere/else")


@pytest.mark.parametrize("pairs", ["[]", "3", '{"rsi": 1}'])
def test_preferred_providers_that_are_no_pairs_are_an_error(tmp_path: Path, pairs: str) -> None:
    write(tmp_path, f'{{"plugins": {{"preferred": {pairs}}}}}')
    with pytest.raises(ConfigError, match=r"plugins\.preferred: expected names and distributions"):
        preferred_providers(tmp_path)
