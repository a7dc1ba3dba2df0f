"""Files are written by `stratkernel_config.files` alone: whole or not at all."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITER = ROOT / "config" / "stratkernel_config" / "files.py"
SOURCES = sorted(
    path
    for folder in ("core", "config", "plugins")
    for path in (ROOT / folder).rglob("*.py")
    if path != WRITER
)
TEST_KIT = ROOT / "core" / "stratkernel" / "testing"


def writes(path: Path) -> list[str]:
    """Calls that open a file for writing or write one by its path, but for a path called `temporary`.

    That is what `files.replacing` gives, and what an editor works on.
    """
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if getattr(getattr(node.func, "value", None), "id", "") == "temporary":
                continue
            if name in {"write_text", "write_bytes"} or (name in {"open", "fdopen"} and _for_writing(node)):
                found.append(f"{path.name}:{node.lineno} {name}")
    return found


def _for_writing(call: ast.Call) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    texts = [arg.value for arg in given if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return any(set(text) <= set("rwaxbt+") and set(text) & set("wax+") for text in texts)


def test_no_other_module_writes_a_file() -> None:
    found = [place for path in SOURCES if TEST_KIT not in path.parents for place in writes(path)]
    assert found == []


@pytest.mark.parametrize(
    "code",
    ['open("a.b", "w")', 'path.open("wb")', 'path.write_text("x")', 'open(p, mode="a")', 'open(p, "r+b")'],
)
def test_check_of_writers_sees_a_write(tmp_path: Path, code: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(code)
    assert len(writes(file)) == 1


@pytest.mark.parametrize(
    "code",
    ['open("a.b")', 'path.open("rb")', "path.read_text()", "temporary.write_text(x)", 'open(p, "r")'],
)
def test_check_of_writers_lets_reading_be(tmp_path: Path, code: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(code)
    assert writes(file) == []
