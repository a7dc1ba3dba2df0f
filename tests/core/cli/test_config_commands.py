"""`stratkernel init`, `config` and `settings` as a user meets them, and documents in `run`."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from cli_output import as_json
from stratkernel_config.documents import dump_json, load_json, parse_json

CANARY = "hush-canary"


def test_init_makes_the_folder_that_is_named_and_says_how_to_use_it(stratkernel: Any, tmp_path: Path) -> None:
    outcome = stratkernel("init", str(tmp_path / "demo"))
    assert outcome.code == 0
    assert f"export STRATKERNEL_HOME={tmp_path / 'demo'}" in outcome.out
    names = {path.name for path in (tmp_path / "demo/config/strategies/templates").iterdir()}
    assert {
        "ema-crossover-swing.json",
        "rsi-reversal.json",
        "macd-classic.json",
        "strategy.schema.json",
    } <= names
    assert load_json(tmp_path / "demo" / "settings.json") == {"plugins": {"disabled": []}}


def test_init_without_a_folder_takes_the_home_in_use(stratkernel: Any, home: Path) -> None:
    outcome = stratkernel("init")
    assert outcome.code == 0
    assert "export" not in outcome.out
    assert (home / "settings.json").is_file()


@pytest.mark.parametrize("kind", ["strategy", "indicator"])
def test_config_templates_lists_what_plugins_bring(stratkernel: Any, kind: str) -> None:
    found = as_json(stratkernel("config", "templates", "--kind", kind, "--json"))
    assert len(found) >= 6
    assert all(each["valid"] and each[kind] and each["description"] for each in found)
    text = stratkernel("config", "templates", "--kind", kind).out
    assert all(each["name"] in text for each in found)


@pytest.mark.usefixtures("mine")
def test_config_new_and_set_write_what_was_said(stratkernel: Any, strategies: Path) -> None:
    flags = ("--timeframe", "1h", "--tags", "a,b", "--gaps", "reset", "--max-gap", "3", "--description", "d")
    outcome = stratkernel("config", "set", "my-ema", "fast_period=9", *flags)
    assert outcome.code == 0, outcome.err
    raw = load_json(strategies / "my-ema.json")
    assert raw["parameters"] == {"fast_period": 9, "slow_period": 26}
    assert (raw["timeframe"], raw["tags"], raw["description"]) == ("1h", ["a", "b"], "d")
    assert raw["gaps"] == {"policy": "reset", "max_gap": 3}
    assert stratkernel("config", "set", "my-ema", "--timeframe", "none", "--unset", "fast_period").code == 0
    raw = load_json(strategies / "my-ema.json")
    assert (raw["timeframe"], raw["parameters"]) == (None, {"slow_period": 26})


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("fast_period=30",),
            "$.parameters: expected fast_period to be smaller than slow_period, got 30 and 26",
        ),
        (("fast_period=x",), "$.parameters.fast_period: expected a valid integer, got 'x'"),
        (("fast_period",), "'fast_period': expected PARAMETER=VALUE"),
        (("--timeframe", "7h"), "$.timeframe: expected one of 1m,"),
        (("--unset", "fst"), "--unset fst: the document says fast_period, slow_period"),
        ((), "nothing to change"),
        (("--pane", "price"), "$.display: expected only known keys"),
    ],
)
def test_config_set_that_is_wrong_is_a_usage_error_and_changes_nothing(
    stratkernel: Any, strategies: Path, arguments: tuple[str, ...], said: str
) -> None:
    before = (strategies / "my-ema.json").read_bytes()
    outcome = stratkernel("config", "set", "my-ema", *arguments)
    assert outcome.code == 2
    assert said in outcome.err
    assert (strategies / "my-ema.json").read_bytes() == before


@pytest.mark.usefixtures("mine")
def test_config_list_as_json_has_name_strategy_valid_and_errors(stratkernel: Any, strategies: Path) -> None:
    (strategies / "torn.json").write_text("{\n ?", encoding="utf-8")
    found = as_json(stratkernel("config", "list", "--json"))
    assert [(each["name"], each["strategy"], each["valid"]) for each in found] == [
        ("my-ema", "stratkernel-ema:ema_crossover", True),
        ("torn", None, False),
    ]
    (error,) = found[1]["errors"]
    assert (error["place"], error["got"]) == ("2:2", "'?'")
    assert error["message"] in stratkernel("config", "list").out


def test_config_list_of_an_empty_home_says_what_to_do(stratkernel: Any) -> None:
    assert "config new NAME --template TEMPLATE" in stratkernel("config", "list").out
    assert as_json(stratkernel("config", "list", "--json")) == []


@pytest.mark.usefixtures("mine")
def test_config_show_tells_defaults_apart(stratkernel: Any) -> None:
    shown = as_json(stratkernel("config", "show", "my-ema", "--json"))
    filled = {"fast_period": 12, "slow_period": 26, "allow_short": False}
    assert shown["parameters"] == {**filled, "trend_timeframe": None, "trend_period": None}
    assert shown["defaults"] == ["allow_short", "trend_period", "trend_timeframe"]
    assert "allow_short=false  (default)" in stratkernel("config", "show", "my-ema").out
    assert "fast_period=50" in stratkernel("config", "show", "ema-crossover-golden", "--template").out


@pytest.mark.usefixtures("mine")
def test_config_validate_checks_names_and_paths(stratkernel: Any, strategies: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(
        dump_json({"schema_version": 2, "name": "x", "strategy": "rsi", "parameters": {"period": 0}})
    )
    assert stratkernel("config", "validate").code == 0
    outcome = stratkernel("config", "validate", "my-ema", str(path), "--json")
    assert outcome.code == 1
    first, second = parse_json(outcome.out.encode(), "stdout")
    assert (first["valid"], second["valid"]) == (True, False)
    assert second["errors"][0]["place"] == "$.parameters.period"


@pytest.mark.usefixtures("mine")
def test_config_copy_rename_delete_and_restore(stratkernel: Any, strategies: Path) -> None:
    for command in (("copy", "my-ema", "b"), ("rename", "b", "c"), ("delete", "c"), ("restore", "c")):
        assert stratkernel("config", *command).code == 0
    assert sorted(path.name for path in strategies.glob("*.json")) == ["c.json", "my-ema.json"]
    outcome = stratkernel("config", "rename", "c", "my-ema")
    assert outcome.code == 2
    assert "there is a document of this name already" in outcome.err


def test_config_new_of_a_hostile_name_is_a_usage_error(stratkernel: Any, tmp_path: Path) -> None:
    outcome = stratkernel("config", "new", "../../x", "--template", "rsi-reversal")
    assert outcome.code == 2
    assert "name '../../x': expected 1 to 64 letters" in outcome.err
    assert list(tmp_path.rglob("x.json")) == []


@pytest.mark.usefixtures("mine")
def test_config_edit_saves_what_is_valid_only(
    stratkernel: Any, strategies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "editor.py"
    script.write_text(
        "import sys, pathlib\np = pathlib.Path(sys.argv[3])\n"
        "p.write_text(p.read_text().replace(sys.argv[1], sys.argv[2]))\n",
        encoding="utf-8",
    )
    editor = f"{sys.executable} {script}"
    monkeypatch.setenv("VISUAL", f"{editor} ': 12' ': 7'")
    assert stratkernel("config", "edit", "my-ema").code == 0
    assert load_json(strategies / "my-ema.json")["parameters"]["fast_period"] == 7
    assert "nothing was changed" in stratkernel("config", "edit", "my-ema").out
    monkeypatch.setenv("VISUAL", f"{editor} ': 7' ': 99'")
    outcome = stratkernel("config", "edit", "my-ema")
    assert outcome.code == 2
    assert "smaller than slow_period, got 99 and 26" in outcome.err
    kept = Path(outcome.err.strip().rpartition("what you wrote is in ")[2])
    assert load_json(kept)["parameters"]["fast_period"] == 99
    assert load_json(strategies / "my-ema.json")["parameters"]["fast_period"] == 7


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("editor", "said"),
    [
        ("", "no editor; set EDITOR"),
        ("/no/such/editor", "cannot be started"),
        (f"{sys.executable} -c exit(3)", "ended with 3"),
    ],
)
def test_config_edit_without_a_working_editor_is_a_usage_error(
    stratkernel: Any, monkeypatch: pytest.MonkeyPatch, editor: str, said: str
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", editor)
    outcome = stratkernel("config", "edit", "my-ema")
    assert outcome.code == 2
    assert said in outcome.err


def test_config_schema_is_for_one_or_for_all(stratkernel: Any) -> None:
    everything = as_json(stratkernel("config", "schema"))
    one = as_json(stratkernel("config", "schema", "rsi"))
    assert {"stratkernel-rsi:rsi", "stratkernel-macd:macd"} <= set(everything["$defs"])
    assert one["properties"]["strategy"]["enum"] == ["rsi", "stratkernel-rsi:rsi"]
    assert one["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert stratkernel("config", "schema", "rsy").code == 2


def test_config_upgrade_writes_older_documents_when_asked(stratkernel: Any, strategies: Path) -> None:
    strategies.mkdir(parents=True)
    old = dump_json({"schema_version": 1, "name": "old", "strategy": "rsi", "gaps": "reset"})
    (strategies / "old.json").write_bytes(old)
    assert "schema version 1 on disk, read as 2" in stratkernel("config", "show", "old").out
    assert (strategies / "old.json").read_bytes() == old
    assert "schema version 1 is now 2" in stratkernel("config", "upgrade").out
    assert load_json(strategies / "old.json")["gaps"] == {"policy": "reset"}
    assert "the newest" in stratkernel("config", "upgrade", "old").out


@pytest.mark.usefixtures("mine")
def test_config_export_and_import_into_another_home(
    stratkernel: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = str(tmp_path / "b.json")
    assert stratkernel("config", "export", "my-ema", "-o", bundle).code == 0
    monkeypatch.setenv("STRATKERNEL_HOME", str(tmp_path / "friend"))
    planned = as_json(stratkernel("config", "import", bundle, "--dry-run", "--json"))
    assert planned == [{"kind": "strategy", "name": "my-ema", "as": "my-ema", "action": "new"}]
    assert not (tmp_path / "friend" / "config").exists()
    assert stratkernel("config", "import", bundle).code == 0
    file = "config/strategies/user_strategies/my-ema.json"
    assert (tmp_path / "friend" / file).read_bytes() == (home / file).read_bytes()
    refused = stratkernel("config", "import", bundle)
    assert refused.code == 2
    assert "say --rename, --overwrite or --skip" in refused.err
    for flag, doing in {
        "--rename": "'my-ema-2' imported",
        "--overwrite": "overwritten",
        "--skip": "skipped",
    }.items():
        assert doing in stratkernel("config", "import", bundle, flag).out


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(("answer", "code"), [("s\n", 0), ("o\n", 0), ("\n", 2), ("", 2)])
def test_config_import_on_a_terminal_asks(
    stratkernel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    bundle = str(tmp_path / "b.json")
    stratkernel("config", "export", "my-ema", "-o", bundle)

    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return answer

    monkeypatch.setattr(sys, "stdin", Terminal())
    outcome = stratkernel("config", "import", bundle)
    assert outcome.code == code
    assert "[r]ename, [o]verwrite, [s]kip" in outcome.out


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("target", ["b.txt", "nowhere/b.json"])
def test_config_export_to_a_wrong_file_is_a_usage_error(
    stratkernel: Any, tmp_path: Path, target: str
) -> None:
    assert stratkernel("config", "export", "my-ema", "-o", str(tmp_path / target)).code == 2
    assert stratkernel("config", "export", "nothing", "-o", str(tmp_path / "b.json")).code == 2


@pytest.mark.parametrize("arguments", [("config",), ("config", "--help")])
def test_config_without_a_command_lists_them(stratkernel: Any, arguments: tuple[str, ...]) -> None:
    from stratkernel.cli.config import SUBCOMMANDS

    outcome = stratkernel(*arguments)
    assert outcome.code == 0
    assert all(f"  {name} " in outcome.out for name in SUBCOMMANDS)


def test_config_of_an_unknown_command_suggests_one(stratkernel: Any) -> None:
    outcome = stratkernel("config", "exprot")
    assert outcome.code == 2
    assert "unknown command 'config exprot'. Did you mean 'export'?" in outcome.err


def test_every_config_command_has_help(stratkernel: Any) -> None:
    from stratkernel.cli.config import SUBCOMMANDS

    for name in SUBCOMMANDS:
        outcome = stratkernel("config", name, "--help")
        assert outcome.code == 0
        assert f"usage: stratkernel config {name}" in outcome.out
        assert "--no-plugins" in outcome.out


def test_settings_are_listed_with_their_origins(
    stratkernel: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "settings.json").write_bytes(dump_json({"ui": {"port": 9000}}))
    monkeypatch.setenv("STRATKERNEL_EXECUTOR", "dask://x")
    shown = {
        each["name"]: each for each in as_json(stratkernel("settings", "--log-level", "error", "--json"))
    }
    assert (shown["ui.port"]["value"], shown["ui.port"]["origin"]) == (9000, str(home / "settings.json"))
    assert shown["executor"]["origin"] == "STRATKERNEL_EXECUTOR"
    assert shown["log_level"]["origin"] == "flag"
    assert "executor" in stratkernel("settings").out


def test_j12_no_output_of_any_command_shows_a_secret(
    stratkernel: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, candles: str
) -> None:
    url = f"postgresql://me:{CANARY}@host/db"
    (home / "settings.json").write_bytes(dump_json({"database_url": url, "ui": {"password": "$env:PW"}}))
    monkeypatch.setenv("PW", CANARY)
    bundle = str(tmp_path / "b.json")
    commands = [
        ("init",),
        ("settings",),
        ("settings", "--json"),
        ("settings", "-v", "--ui-port", "x"),
        ("config", "new", "a", "--template", "rsi-reversal"),
        ("config", "list", "--json"),
        ("config", "show", "a"),
        ("config", "export", "a", "-o", bundle),
        ("config", "import", bundle),
        ("run", "a", "--data", candles),
        ("config", "set", "a", "period=0", "-v"),
        ("plugins", "-v"),
        ("strategies", "--json"),
    ]
    for command in commands:
        outcome = stratkernel(*command)
        assert CANARY not in outcome.out + outcome.err, command
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "settings.json"]
    assert len(written) > 10
    assert not [path for path in written if CANARY.encode() in path.read_bytes()]


def test_preferred_provider_of_a_variable_must_be_a_pair(
    stratkernel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATKERNEL_PREFER", "rsi")
    outcome = stratkernel("strategies")
    assert outcome.code == 2
    assert "expected NAME=DISTRIBUTION" in outcome.err


def test_config_in_a_home_that_cannot_be_written_is_one_message(
    stratkernel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("STRATKERNEL_HOME", os.fspath(tmp_path / "file" / "home"))
    outcome = stratkernel("config", "new", "a", "--template", "rsi-reversal")
    assert outcome.code == 1
    assert "an error of stratkernel itself" not in outcome.err


@pytest.mark.usefixtures("mine")
def test_config_set_mends_a_document_that_is_not_valid(stratkernel: Any, strategies: Path) -> None:
    raw = load_json(strategies / "my-ema.json")
    raw["parameters"] = {"fast_period": 99, "slow_period": 26}
    (strategies / "my-ema.json").write_bytes(dump_json(raw))
    assert stratkernel("config", "show", "my-ema").code == 2
    assert stratkernel("config", "set", "my-ema", "fast_period=9").code == 0
    assert "fast_period=9" in stratkernel("config", "show", "my-ema").out


@pytest.mark.usefixtures("mine")
def test_config_prints_nothing_that_a_terminal_would_obey(stratkernel: Any, strategies: Path) -> None:
    raw = load_json(strategies / "my-ema.json")
    raw |= {"description": "a\x1b[2Jb\u202e", "tags": ["\x9b31m"], "category": "\r\n$ rm"}
    (strategies / "my-ema.json").write_bytes(dump_json(raw))
    for arguments in (("list",), ("list", "--json"), ("show", "my-ema"), ("show", "my-ema", "--json")):
        out = stratkernel("config", *arguments).out
        assert not [letter for letter in out if not letter.isprintable() and letter != "\n"]


def test_config_list_says_which_strategy_an_invalid_document_is_of(
    stratkernel: Any, strategies: Path
) -> None:
    strategies.mkdir(parents=True)
    raw = {"schema_version": 2, "name": "bad", "strategy": "rsi", "parameters": {"period": 0}}
    (strategies / "bad.json").write_bytes(dump_json(raw))
    (listed,) = as_json(stratkernel("config", "list", "--json"))
    assert (listed["strategy"], listed["valid"]) == ("rsi", False)


def test_home_flag_beats_the_variable_for_every_command(stratkernel: Any, home: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    assert stratkernel("init", "--home", str(other)).code == 0
    made = ("config", "new", "a", "--template", "rsi-reversal", "--home", str(other))
    assert stratkernel(*made).code == 0
    assert (other / "config/strategies/user_strategies/a.json").is_file()
    assert not (home / "config").exists()
    shown = as_json(stratkernel("settings", "--json", "--home", str(other)))
    assert (shown[0]["value"], shown[0]["origin"]) == (str(other), "flag")
    assert as_json(stratkernel("config", "list", "--json")) == []
