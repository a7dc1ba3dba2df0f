"""Rows P10 to P14 from outside: every plugin is broken, and the command line still works."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from plugin_modules import STRATEGY_PLUGIN
from stratkernel import __version__
from stratkernel.testing import fake_distribution
from stratkernel_config.documents import parse_json

NOISY = "import os, sys\nprint('hello from the plugin')\nsys.stdout.write('more noise')\n" + STRATEGY_PLUGIN
CIRCLE = "import acme_circle_two\n" + STRATEGY_PLUGIN
CIRCLE_TWO = "from acme_circle import stratkernel_strategies\n"

BROKEN: Mapping[str, tuple[str | bytes | None, str, str]] = {
    "missing_dependency": (
        "import no_such_module\n",
        "failed",
        "ModuleNotFoundError: No module named 'no_such_module'",
    ),
    "syntax": ("def broken(:\n", "failed", "SyntaxError: "),
    "exits": ("import sys\nsys.exit('good night')\n", "failed", "SystemExit: good night"),
    "interrupts": ("raise KeyboardInterrupt\n", "failed", "KeyboardInterrupt"),
    "recursion": ("def f(): f()\nf()\n", "failed", "RecursionError: "),
    "unspeakable": (
        "class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E\n",
        "failed",
        "E: <its __str__ raised RuntimeError>",
    ),
    "several_lines": ("raise ImportError('one\\n\\n  two\\x1b[2J')\n", "failed", "ImportError: one two?[2J"),
    "empty": (b"", "failed", "offers nothing"),
    "binary": (b"\x7fELF\x00\x01\x02\xff\xfe", "failed", "Error: "),
    "encoding": ("name = 'caf\u00e9'\n".encode("latin-1"), "failed", "SyntaxError: "),
    "absent": (None, "failed", "ModuleNotFoundError: No module named 'acme_absent'"),
    "circle": (CIRCLE, "failed", "ImportError: cannot import name"),
    "older_api": ("STRATKERNEL_API = 0\n" + STRATEGY_PLUGIN, "incompatible", "needs hook API 0"),
    "misspelt": (STRATEGY_PLUGIN.replace("strategies", "strategis"), "incompatible", "unknown hook"),
    "unmarked": (STRATEGY_PLUGIN.replace("@hookimpl", ""), "incompatible", "lacks its @hookimpl marker"),
    "signature": (
        STRATEGY_PLUGIN.replace("strategies()", "strategies(x)"),
        "incompatible",
        "wrong signature",
    ),
}


@pytest.fixture
def all_broken(tmp_path: Path) -> Path:
    """A folder in which every plugin is broken in its own way, and one that is only noisy."""
    for name, (source, _, _) in BROKEN.items():
        modules: dict[str, str | bytes] = {} if source is None else {f"acme_{name}.py": source}
        install(tmp_path, name, modules)
    (tmp_path / "acme_circle_two.py").write_text(CIRCLE_TWO, encoding="utf-8")
    install(tmp_path, "folder", {"acme_folder/readme.txt": "no module here"})
    install(tmp_path, "folder_py", {"acme_folder_py.py/readme.txt": "no module here"})
    install(tmp_path, "loop", {})
    (tmp_path / "acme_loop.py").symlink_to("acme_loop.py")
    install(tmp_path, "noisy", {"acme_noisy.py": NOISY})
    return tmp_path


def install(folder: Path, name: str, modules: Mapping[str, str | bytes]) -> None:
    fake_distribution(folder, f"acme-{name}", entry_points={name: f"acme_{name}"}, modules=modules)


def printed(result: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that a command printed."""
    return parse_json(result.stdout.encode(), "stdout")


def title(name: str) -> str:
    return f"plugin '{name}' (acme-{name.replace('_', '-')} 1.0)"


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(all_broken: Path) -> Command:
    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("STRATKERNEL_")}
        return subprocess.run(
            [sys.executable, "-m", "stratkernel", *arguments],
            env={**clean, "PYTHONPATH": str(all_broken), "STRATKERNEL_HOME": str(all_broken), **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def test_p11_help_and_version_work_when_every_plugin_is_broken(command: Command) -> None:
    assert (command("--version").stdout, command("--version").returncode) == (
        f"stratkernel {__version__}\n",
        0,
    )
    shown = command("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "plugins" in shown.stdout


def test_p11_plugins_lists_each_broken_plugin_with_its_reason(command: Command) -> None:
    listed = command("plugins", "--json")
    assert listed.returncode == 0
    records: dict[str, Any] = {record["name"]: record for record in printed(listed)}
    for name, (_, state, reason) in BROKEN.items():
        assert records[name]["state"] == state, name
        assert reason in records[name]["reason"], name
        assert len(records[name]["reason"].splitlines()) == 1
    assert records["folder"]["reason"].startswith("offers nothing")
    for name in ("folder_py", "loop"):
        assert records[name]["state"] == "failed", name
    assert records["sources"]["state"] == "active"
    assert "Traceback" not in listed.stdout + listed.stderr


def test_p11_table_has_one_line_a_plugin_and_no_traceback(command: Command) -> None:
    listed = command("plugins")
    assert listed.returncode == 0
    lines = listed.stdout.splitlines()
    assert {line.split()[0] for line in lines[1:]} >= {
        *BROKEN,
        "folder",
        "folder_py",
        "loop",
        "noisy",
        "sources",
    }
    assert len({line.split()[0] for line in lines}) == len(lines)
    assert "\x1b" not in listed.stdout
    assert "Traceback" not in listed.stdout + listed.stderr


def test_p11_strict_and_check_end_with_1(command: Command) -> None:
    assert command("plugins", "--check").returncode == 1
    strict = command("plugins", STRATKERNEL_STRICT_PLUGINS="1")
    assert strict.returncode == 1
    for name in BROKEN:
        assert f"{title(name)} is " in strict.stderr


def test_p11_another_command_works_and_warns_once_of_each(command: Command) -> None:
    listed = command("strategies")
    assert listed.returncode == 0
    assert "quiet  (acme-noisy 1.0)" in listed.stdout
    for name in BROKEN:
        assert listed.stderr.count(f"{title(name)} is ") == 1
    assert "Traceback" not in listed.stderr


def test_p10_what_a_plugin_prints_goes_to_stderr(command: Command) -> None:
    listed = command("plugins", "--json", STRATKERNEL_PLUGINS="noisy")
    assert [record["state"] for record in printed(listed) if record["name"] == "noisy"] == ["active"]
    assert "hello from the plugin" in listed.stderr


def test_p11_no_plugins_imports_none_of_them(command: Command) -> None:
    listed = command("plugins", "--no-plugins", "--check")
    assert listed.returncode == 0
    assert listed.stderr == ""
