"""`stratkernel plugins`: the table, JSON, --check, -v, and the lists that switch plugins off."""

from pathlib import Path
from typing import Any

import pytest

from plugin_modules import STRATEGY_PLUGIN
from stratkernel.testing import fake_distribution
from stratkernel_config.documents import parse_json

BROKEN = "import no_such_module\n"
NO_MODULE = "ModuleNotFoundError: No module named 'no_such_module'"
RAISING = """
from stratkernel import hookimpl

@hookimpl
def stratkernel_strategies():
    raise ValueError("late")
"""
NEWER = "STRATKERNEL_API = 2\n" + STRATEGY_PLUGIN


def install(folder: Path, name: str, source: str, version: str = "1.0", distribution: str = "") -> None:
    distribution = distribution or f"acme-{name}"
    module = distribution.replace("-", "_")
    fake_distribution(
        folder, distribution, version, entry_points={name: module}, modules={f"{module}.py": source}
    )


def records(text: str) -> dict[str, dict[str, Any]]:
    """The JSON output by the names of the plugins."""
    return {record["name"]: record for record in parse_json(text.encode(), "stdout")}


def line_of(name: str, table: str) -> list[str]:
    """The cells of a plugin's line."""
    (line,) = [line for line in table.splitlines() if line.startswith(f"{name} ")]
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_table_lists_name_distribution_version_state_and_kinds(stratkernel: Any, packages: Path) -> None:
    install(packages, "quiet", STRATEGY_PLUGIN, "2.1")
    result = stratkernel("plugins")
    assert result.code == 0
    assert result.err == ""
    assert result.out.splitlines()[0].split() == ["NAME", "DISTRIBUTION", "VERSION", "STATE", "PROVIDES"]
    assert line_of("quiet", result.out) == ["quiet", "acme-quiet", "2.1", "active", "strategies"]
    assert line_of("sources", result.out)[-1] == "data sources"


def test_table_is_sorted_and_aligned(stratkernel: Any, packages: Path) -> None:
    install(packages, "zz", STRATEGY_PLUGIN)
    install(packages, "aa", STRATEGY_PLUGIN)
    header, *rows = stratkernel("plugins").out.splitlines()
    names = [row.split()[0] for row in rows]
    assert names == sorted(names)
    column = header.index("STATE")
    assert {row[column:].split()[0] for row in rows} == {"active"}


def test_table_calls_no_hook(stratkernel: Any, packages: Path) -> None:
    install(packages, "late", RAISING)
    assert line_of("late", stratkernel("plugins").out)[3:] == ["active", "strategies"]


@pytest.mark.parametrize("flag", ["-v", "--check"])
def test_names_are_listed_when_hooks_are_called(stratkernel: Any, packages: Path, flag: str) -> None:
    install(packages, "quiet", STRATEGY_PLUGIN)
    install(packages, "late", RAISING)
    result = stratkernel("plugins", flag)
    assert line_of("quiet", result.out)[3:] == ["active", "strategies: quiet"]
    assert line_of("late", result.out)[3:] == [
        "failed",
        "hook stratkernel_strategies raised ValueError: late",
    ]


def test_table_tells_why_each_plugin_is_out_of_service(stratkernel: Any, packages: Path) -> None:
    install(packages, "broken", BROKEN)
    install(packages, "newer", NEWER)
    install(packages, "same", STRATEGY_PLUGIN, distribution="acme-one")
    install(packages, "same", STRATEGY_PLUGIN, distribution="acme-two")
    result = stratkernel("plugins")
    assert result.code == 0
    assert line_of("broken", result.out)[3:] == [
        "failed",
        "ModuleNotFoundError: No module named 'no_such_module'",
    ]
    state, reason = line_of("newer", result.out)[3:]
    assert state == "incompatible"
    assert reason.startswith("needs hook API 2, this stratkernel has 1")
    assert result.out.count("  conflict  ") == 2
    assert "Traceback" not in result.out + result.err


def test_json_has_the_same_data_and_names(stratkernel: Any, packages: Path) -> None:
    install(packages, "quiet", STRATEGY_PLUGIN, "2.1")
    install(packages, "broken", BROKEN)
    result = stratkernel("plugins", "--json")
    assert result.code == 0
    found = records(result.out)
    assert found["quiet"] == {
        "name": "quiet",
        "distribution": "acme-quiet",
        "version": "2.1",
        "target": "acme_quiet",
        "state": "active",
        "provides": {"strategies": ["quiet"]},
        "ambiguous": [],
        "reason": None,
    }
    assert found["broken"]["state"] == "failed"
    assert found["broken"]["reason"] == "ModuleNotFoundError: No module named 'no_such_module'"
    assert "Traceback" not in result.out


def test_json_verbose_has_files_and_tracebacks_and_nothing_else(stratkernel: Any, packages: Path) -> None:
    install(packages, "quiet", STRATEGY_PLUGIN)
    install(packages, "broken", BROKEN)
    found = records(stratkernel("plugins", "--json", "-v").out)
    assert found["quiet"]["file"] == str(packages / "acme_quiet.py")
    assert found["quiet"]["traceback"] is None
    assert found["broken"]["traceback"].startswith("Traceback (most recent call last):")
    assert "acme_broken.py" in found["broken"]["traceback"]


def test_verbose_prints_files_and_tracebacks(stratkernel: Any, packages: Path) -> None:
    install(packages, "quiet", STRATEGY_PLUGIN)
    install(packages, "broken", BROKEN)
    result = stratkernel("plugins", "-v")
    assert f"plugin 'quiet' (acme-quiet 1.0): {packages / 'acme_quiet.py'}" in result.out
    assert "plugin 'broken' (acme-broken 1.0): acme_broken\nTraceback (most recent call last):" in result.out


@pytest.mark.parametrize("source", [BROKEN, RAISING, NEWER], ids=["failed", "failing-hook", "incompatible"])
def test_check_exits_with_1_when_a_plugin_does_not_work(
    stratkernel: Any, packages: Path, source: str
) -> None:
    assert stratkernel("plugins", "--check").code == 0
    install(packages, "bad", source)
    assert stratkernel("plugins").code == 0
    assert stratkernel("plugins", "--check").code == 1
    assert stratkernel("plugins", "--check", "--json").code == 1


def test_check_passes_over_disabled_plugins(
    stratkernel: Any, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(packages, "bad", BROKEN)
    monkeypatch.setenv("STRATKERNEL_DISABLE", "bad")
    assert stratkernel("plugins", "--check").code == 0


def test_shared_item_names_are_shown(stratkernel: Any, packages: Path) -> None:
    install(packages, "one", STRATEGY_PLUGIN)
    install(packages, "two", STRATEGY_PLUGIN)
    result = stratkernel("plugins", "-v")
    assert "ambiguous: strategy 'quiet'; use acme-one:quiet or acme-two:quiet" in result.out
    found = records(stratkernel("plugins", "--json").out)
    assert found["one"]["ambiguous"] == ["acme-one:quiet"]
    assert found["two"]["ambiguous"] == ["acme-two:quiet"]
    assert stratkernel("plugins", "--check").code == 0


# the lists


@pytest.mark.parametrize("value", ["quiet", "acme-quiet", "ACME_Quiet", "other, quiet ,"])
def test_disable_variable_switches_off(
    stratkernel: Any, packages: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    install(packages, "quiet", STRATEGY_PLUGIN)
    install(packages, "other", STRATEGY_PLUGIN)
    monkeypatch.setenv("STRATKERNEL_DISABLE", value)
    result = stratkernel("plugins")
    assert line_of("quiet", result.out)[3:] == ["disabled", "switched off by STRATKERNEL_DISABLE"]
    assert result.err == ""


def test_disable_list_of_the_settings_switches_off(stratkernel: Any, packages: Path, home: Path) -> None:
    install(packages, "quiet", STRATEGY_PLUGIN)
    (home / "settings.json").write_text('{"plugins": {"disabled": ["acme-quiet"]}}', encoding="utf-8")
    line = line_of("quiet", stratkernel("plugins").out)
    assert line[3:] == ["disabled", "switched off by plugins.disabled in settings.json"]


def test_allow_variable_keeps_out_all_others(
    stratkernel: Any, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(packages, "quiet", STRATEGY_PLUGIN)
    install(packages, "other", BROKEN)
    monkeypatch.setenv("STRATKERNEL_PLUGINS", "quiet")
    table = stratkernel("plugins").out
    assert line_of("quiet", table)[3] == "active"
    assert line_of("other", table)[3:] == ["disabled", "not in STRATKERNEL_PLUGINS"]
    assert line_of("sources", table)[3] == "active"


def test_empty_allow_variable_is_no_list(
    stratkernel: Any, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(packages, "quiet", STRATEGY_PLUGIN)
    monkeypatch.setenv("STRATKERNEL_PLUGINS", "")
    assert line_of("quiet", stratkernel("plugins").out)[3] == "active"


@pytest.mark.parametrize("way", ["flag", "variable"])
def test_no_plugins_leaves_only_the_own(
    stratkernel: Any, packages: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    install(packages, "quiet", STRATEGY_PLUGIN)
    if way == "variable":
        monkeypatch.setenv("STRATKERNEL_NO_PLUGINS", "1")
    found = records(stratkernel("plugins", "--json", *(["--no-plugins"] if way == "flag" else [])).out)
    active = [record for record in found.values() if record["state"] == "active"]
    assert {record["distribution"] for record in active} == {"stratkernel"}
    assert found["quiet"]["reason"] == "switched off by --no-plugins or STRATKERNEL_NO_PLUGINS"


def test_own_plugins_cannot_be_switched_off(stratkernel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATKERNEL_DISABLE", "sources,stratkernel")
    result = stratkernel("plugins")
    assert line_of("sources", result.out)[3] == "active"
    assert (
        "STRATKERNEL_DISABLE names 'sources', which is stratkernel's own and stays in service" in result.err
    )


def test_unknown_name_in_a_list_is_warned_of(stratkernel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATKERNEL_DISABLE", "nosuch")
    result = stratkernel("plugins")
    assert result.code == 0
    assert result.err == (
        "stratkernel: STRATKERNEL_DISABLE names 'nosuch', but no plugin or distribution is called so.\n"
    )


def test_settings_that_cannot_be_used_are_a_usage_error(stratkernel: Any, home: Path) -> None:
    (home / "settings.json").write_text('{"plugins": {"disabled": "rsi"}}', encoding="utf-8")
    result = stratkernel("plugins")
    assert result.code == 2
    assert result.out == ""
    assert "settings.json: plugins.disabled: expected a list of plugin names, got 'rsi'" in result.err


def test_variable_that_is_neither_yes_nor_no_is_a_usage_error(
    stratkernel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATKERNEL_STRICT_PLUGINS", "maybe")
    result = stratkernel("plugins")
    assert result.code == 2
    assert result.err == "stratkernel: STRATKERNEL_STRICT_PLUGINS='maybe': expected 1 or 0\n"


# strict


@pytest.mark.parametrize("way", ["flag", "variable"])
@pytest.mark.parametrize("source", [BROKEN, RAISING], ids=["import", "hook"])
def test_strict_exits_with_1_and_names_the_broken(
    stratkernel: Any, packages: Path, monkeypatch: pytest.MonkeyPatch, way: str, source: str
) -> None:
    install(packages, "bad", source)
    if way == "variable":
        monkeypatch.setenv("STRATKERNEL_STRICT_PLUGINS", "1")
    result = stratkernel("plugins", *(["--strict-plugins"] if way == "flag" else []))
    assert result.code == 1
    assert result.err.startswith(
        "stratkernel: not every plugin works: plugin 'bad' (acme-bad 1.0) is failed:"
    )
    assert line_of("bad", result.out)[3] == "failed"
    assert "Traceback" not in result.err


def test_strict_fails_other_commands_before_they_begin(stratkernel: Any, packages: Path) -> None:
    install(packages, "bad", RAISING)
    result = stratkernel("strategies", "--strict-plugins")
    assert result.code == 1
    assert result.out == ""
    assert "plugin 'bad' (acme-bad 1.0) is failed" in result.err


def test_strict_with_working_plugins_changes_nothing(stratkernel: Any) -> None:
    assert stratkernel("plugins", "--strict-plugins").code == 0


def test_other_commands_warn_of_a_broken_plugin_and_go_on(stratkernel: Any, packages: Path) -> None:
    install(packages, "quiet", STRATEGY_PLUGIN)
    install(packages, "bad", BROKEN)
    result = stratkernel("strategies")
    assert result.code == 0
    assert "quiet  (acme-quiet 1.0)" in result.out
    warnings = [line for line in result.err.splitlines() if "plugin 'bad'" in line]
    said = f"plugin 'bad' (acme-bad 1.0) is failed: {NO_MODULE}; to do without it: STRATKERNEL_DISABLE=bad"
    assert warnings == [f"stratkernel: {said}"]


def test_other_commands_show_the_traceback_with_v(stratkernel: Any, packages: Path) -> None:
    install(packages, "bad", BROKEN)
    assert "Traceback" not in stratkernel("strategies").err
    assert "Traceback (most recent call last):" in stratkernel("strategies", "-v").err


def test_asking_for_what_a_broken_plugin_gave_says_why_it_is_missing(
    stratkernel: Any, packages: Path
) -> None:
    install(packages, "bad", BROKEN)
    result = stratkernel("strategies", "bad")
    assert result.code == 2
    assert (
        "strategy 'bad' is not available: plugin 'bad' (acme-bad 1.0) is failed: ModuleNotFound" in result.err
    )
