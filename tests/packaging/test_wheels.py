"""From wheels, in a fresh environment: the four distributions, and a stranger's plugin beside them."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.environment, pytest.mark.xdist_group("wheels")]

OURS = (".", "plugins/ema", "plugins/macd", "plugins/rsi")
STRANGER = "examples/stratkernel-donchian"


def call(
    *command: str | Path, cwd: Path | None = None, home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("STRATKERNEL", "PYTHON"))
    }
    environment["STRATKERNEL_HOME"] = str(home or cwd or Path.cwd())
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def call_well(*command: str | Path, cwd: Path | None = None) -> str:
    done = call(*command, cwd=cwd)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def wheels(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels of all distributions and of the example, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheels")
    for project in (*OURS, STRANGER):
        call_well(
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            folder,
            repository / project,
        )
    return folder


@pytest.fixture(scope="session")
def environment(repository: Path, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the four wheels; gives the folder of its programs."""
    folder = tmp_path_factory.mktemp("environment")
    call_well(sys.executable, "-m", "venv", folder)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    ours = [wheel for wheel in wheels.glob("*.whl") if "donchian" not in wheel.name]
    call_well(programs / "python", "-m", "pip", "install", "-q", "-c", repository / "constraints.txt", *ours)
    return programs


def test_wheel_of_the_root_holds_its_packages_and_nothing_else(wheels: Path) -> None:
    (wheel,) = wheels.glob("stratkernel-0*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.partition("/")[0] for name in names}
    packages = {"stratkernel", "stratkernel_config", "stratkernel_database"}
    assert {name for name in top if not name.endswith(".dist-info")} == packages
    assert "stratkernel_database/migrations/script.py.mako" in names
    assert "stratkernel/py.typed" in names
    assert "stratkernel/demo_data/daily.csv.gz" in names
    assert any(name.endswith("licenses/NOTICE") for name in names)


def test_installed_wheels_run_the_demo_outside_of_the_checkout(environment: Path, tmp_path: Path) -> None:
    output = call_well(environment / "stratkernel", "demo", cwd=tmp_path)
    for word in ("ema_crossover", "macd", "rsi", "AAPL", "IBM", "MSFT", "What to type next"):
        assert word in output


def test_installed_wheels_list_three_active_plugins(environment: Path, tmp_path: Path) -> None:
    records = json.loads(call_well(environment / "stratkernel", "plugins", "--json", cwd=tmp_path))  # noqa: TID251 - the program's own output
    states = {record["name"]: record["state"] for record in records}
    assert {"ema": "active", "macd": "active", "rsi": "active", "sources": "active"}.items() <= states.items()


def test_strangers_plugin_installs_beside_the_wheels_and_runs(
    environment: Path, wheels: Path, tmp_path: Path
) -> None:
    before = call(environment / "stratkernel", "run", "donchian", "--data", "none.csv", cwd=tmp_path)
    assert before.returncode == 2
    assert "unknown strategy 'donchian'" in before.stderr
    (wheel,) = wheels.glob("*donchian*.whl")
    call_well(environment / "python", "-m", "pip", "install", "-q", "--no-deps", wheel)
    candles = tmp_path / "candles.csv"
    rows = [
        f"{1_700_006_400 + 3600 * i},{100 + i % 40},{100.5 + i % 40},{99.5 + i % 40},{100 + i % 40},5"
        for i in range(300)
    ]
    candles.write_text("\n".join(["open_time,open,high,low,close,volume", *rows]), encoding="utf-8")
    output = call_well(
        environment / "stratkernel", "run", "donchian", "--data", "candles.csv", "--json", cwd=tmp_path
    )
    document = json.loads(output)  # noqa: TID251 - the program's own output
    assert document["strategy"] == "donchian"
    assert document["plugins"]["stratkernel-donchian"] == "1.0"
    assert document["candles"] == 300
    assert {signal["type"] for signal in document["signals"]} == {"ENTRY_LONG", "EXIT_LONG"}


def test_project_does_not_name_the_strangers_plugin(repository: Path) -> None:
    for folder in ("core", "config", "plugins"):
        for path in (repository / folder).rglob("*.py"):
            assert "donchian" not in path.read_text(encoding="utf-8").lower(), path
