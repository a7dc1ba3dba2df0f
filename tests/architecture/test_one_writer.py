"""Files are written by `stratkernel_config.files` alone: whole or not at all."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITER = ROOT / "config" / "stratkernel_config" / "files.py"
SOURCES = sorted(
    path
    for folder in ("core", "config", "database", "ui", "plugins", "examples")
    for path in (ROOT / folder).rglob("*.py")
    if path != WRITER
)
_TEXTS = {"write_text", "write_bytes"}
_TABLES = {"to_csv", "to_parquet", "to_feather", "to_json", "to_pickle", "tofile", "savetxt", "savez"}
_TABLES |= {"write_table", "write_csv", "write_parquet", "write_feather", "CSVWriter", "ParquetWriter"}
_COPIES = {"copyfile", "copy2", "copytree"}
TRASH = WRITER.with_name("store.py")
"""Moves documents into the trash, whole as they are."""
TEST_KIT = ROOT / "core" / "stratkernel" / "testing"


def writes(path: Path) -> list[str]:
    """Calls that write a file by its path or put one in place of another, but for a path called `temporary`.

    That is what `files.replacing` gives, and what an editor works on.
    """
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if getattr(getattr(node.func, "value", None), "id", "") == "temporary":
                continue
            if any(isinstance(part, ast.Name) and part.id == "temporary" for part in _parts(node.args)):
                continue
            if (
                name in _TEXTS | _TABLES | _COPIES
                or (name in {"open", "fdopen"} and _for_writing(node))
                or (name == "replace" and len(node.args) == 1 and not node.keywords)
            ):
                found.append(f"{path.name}:{node.lineno} {name}")
    return found


def _parts(arguments: list[ast.expr]) -> Iterator[ast.AST]:
    return (part for argument in arguments for part in ast.walk(argument))


def _for_writing(call: ast.Call) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    texts = [arg.value for arg in given if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return any(set(text) <= set("rwaxbt+") and set(text) & set("wax+") for text in texts)


def test_no_other_module_writes_a_file() -> None:
    found = [place for path in SOURCES if TEST_KIT not in path.parents for place in writes(path)]
    assert [
        place for place in found if not (place.startswith(TRASH.name) and place.endswith(" replace"))
    ] == []


@pytest.mark.parametrize(
    "code",
    [
        *(
            'open("a.b", "w")',
            'path.open("wb")',
            'path.write_text("x")',
            'open(p, mode="a")',
            'open(p, "r+b")',
        ),
        *("frame.to_csv(path)", "pq.write_table(table, path)", "csv.CSVWriter(str(path), schema)"),
        *("part.replace(target)", "shutil.copyfile(a, b)"),
    ],
)
def test_check_of_writers_sees_a_write(tmp_path: Path, code: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(code)
    assert len(writes(file)) == 1


@pytest.mark.parametrize(
    "code",
    [
        *('open("a.b")', 'path.open("rb")', "path.read_text()", "temporary.write_text(x)", 'open(p, "r")'),
        *("frame.to_csv(temporary)", "pq.ParquetWriter(str(temporary), schema)", 'text.replace("a", "b")'),
        *("replace(record, starred=True)", "moment.replace(tzinfo=UTC)"),
    ],
)
def test_check_of_writers_lets_reading_be(tmp_path: Path, code: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(code)
    assert writes(file) == []
