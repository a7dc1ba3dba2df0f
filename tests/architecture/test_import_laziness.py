"""What is cheap to ask for imports nothing heavy: seen on `sys.modules` of a fresh interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    *("alembic", "dash", "dask", "distributed", "filelock", "numba", "numpy", "pandas", "plotly", "psycopg"),
    *("pyarrow", "pydantic", "pydantic_settings", "rich", "sqlalchemy"),
)

SCRIPT = """
import sys
sys.argv[:] = ["stratkernel", *{arguments!r}]
try:
    {statement}
finally:
    print("heavy:", *sorted({heavy!r} & set(sys.modules)), file=sys.stderr)
"""
RUN = "from stratkernel.cli import main; sys.exit(main())"
EVERY_HELP = """
from importlib import import_module
from stratkernel.cli import main
from stratkernel.cli.program import COMMANDS

commands = [(name,) for name in COMMANDS]
for (name,) in tuple(commands):
    commands += [(name, each) for each in getattr(import_module(COMMANDS[name][0]), "SUBCOMMANDS", ())]
for command in commands:
    try:
        main([*command, "--help"])
    except SystemExit as end:
        assert end.code == 0, command
    for module in sorted(heavy & set(sys.modules)):
        heavy.remove(module)
        print("heavy:", *command, "imports", module)
print("looked at:", *(" ".join(command).replace(" ", "_") for command in commands))
"""


def heavy_modules(statement: str, arguments: tuple[str, ...], home: Path) -> list[str]:
    """Which of `HEAVY` a fresh interpreter has imported after a statement."""
    script = SCRIPT.format(statement=statement, arguments=arguments, heavy=set(HEAVY))
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={"STRATKERNEL_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("heavy:")]
    return line.split()[1:]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        (),
        ("plugins",),
        ("plugins", "--help"),
        ("run", "--help"),
        ("demo", "--help"),
        ("strategies", "--help"),
        ("init", "--help"),
        ("settings", "--help"),
        ("config",),
        ("config", "set", "--help"),
        ("config", "list", "--help"),
        ("config", "import", "--help"),
    ],
    ids=" ".join,
)
def test_command_imports_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert heavy_modules(RUN, arguments, tmp_path) == []


def test_help_of_no_command_imports_anything_heavy(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", f"import sys\nheavy = set({HEAVY!r})\n{EVERY_HELP}"],
        env={"STRATKERNEL_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    *lines, commands = result.stdout.splitlines()
    assert {"batch", "data_import", "db_upgrade", "db_copy", "runs_compare", "signals_stats"} <= set(
        commands.split()
    )
    assert [line for line in lines if line.startswith("heavy:")] == []


@pytest.mark.parametrize(
    "arguments", [("data", "list"), ("runs", "list"), ("db", "current"), ("db", "clean")], ids=" ".join
)
def test_command_on_a_database_that_is_up_to_date_does_without(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    """Neither the means to change tables, nor those of other databases, of computing and of showing."""
    subprocess.run(
        [sys.executable, "-m", "stratkernel", "db", "upgrade"],
        env={"STRATKERNEL_HOME": str(tmp_path)},
        capture_output=True,
        check=True,
    )
    spared = {"alembic", "dash", "dask", "distributed", "numba", "pandas", "plotly", "psycopg", "pyarrow"}
    assert spared & set(heavy_modules(RUN, arguments, tmp_path)) == set()


@pytest.mark.parametrize(
    "statement",
    [
        "import stratkernel",
        "from stratkernel import hookimpl, API_VERSION, __version__",
        "import stratkernel; dir(stratkernel)",
        "import stratkernel_config.documents, stratkernel_config.files, stratkernel_config.settings",
        "import stratkernel_ema.plugin, stratkernel_macd.plugin, stratkernel_rsi.plugin",
        "import stratkernel_database, stratkernel_database.plugin",
        "from stratkernel import Kernel; Kernel()",
    ],
)
def test_import_brings_nothing_heavy(statement: str, tmp_path: Path) -> None:
    assert heavy_modules(statement, (), tmp_path) == []


def test_heavy_modules_are_seen_where_they_are_needed(tmp_path: Path) -> None:
    """The test above could not fail if the script saw nothing."""
    assert {"numpy", "pydantic"} <= set(
        heavy_modules("from stratkernel import BaseStrategy, Params", (), tmp_path)
    )


def test_plugins_command_reads_the_settings_file_without_pydantic(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"plugins": {"disabled": ["rsi"]}, "ui": {"port": 1}}')
    assert heavy_modules(RUN, ("plugins",), tmp_path) == []


def test_plugins_command_imports_no_engine_and_no_contract(tmp_path: Path) -> None:
    floors = ("stratkernel.contracts", "stratkernel.engine")
    show = f"print(*[name for name in sys.modules if name.startswith({floors!r})])"
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; from stratkernel.cli import main; main(['plugins']); {show}"],
        env={"STRATKERNEL_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    # those of its modules that say what the built-in plugins provide
    plugin = {"stratkernel.engine", "stratkernel.engine.validators", "stratkernel.engine.validators.plugin"}
    assert set(result.stdout.splitlines()[-1].split()) <= plugin
