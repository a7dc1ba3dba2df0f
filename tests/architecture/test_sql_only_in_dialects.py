"""SQL is written out in `stratkernel_database/dialects` alone; everybody else composes it from the tables."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIALECTS = ROOT / "database" / "stratkernel_database" / "dialects"
SOURCES = sorted(
    path
    for folder in ("core", "config", "database", "ui", "plugins", "examples")
    for path in (ROOT / folder).rglob("*.py")
    if DIALECTS not in path.parents
)
_SHOUTED = (
    r"(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|PRAGMA|BEGIN|COMMIT|ROLLBACK|COPY|VACUUM|TRUNCATE|LOCK"
    r"|SET|WITH|ATTACH|GRANT)\b"
)
_WHISPERED = (
    r"(?i:select\s.+\sfrom\s|insert\s+(or\s+\w+\s+)?into\s|update\s+\w+\s+set\s|delete\s+from\s|pragma\s"
    r"|(create|drop|alter)\s+(unique\s+)?(table|index|view|trigger|database|schema)\s)"
)
SQL = re.compile(rf"\s*({_SHOUTED}|{_WHISPERED})", re.DOTALL)
_TAKES_TEXT = {"exec_driver_sql", "executescript", "TextClause"}
_EXECUTES = {"execute", "executemany", "scalar", "scalars"}


def sql_in(path: Path) -> list[str]:
    """Where a module writes SQL: texts that are SQL, calls that take it, texts that are executed."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = set(_documentation(tree))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_call_with_sql(node):
            found.append((node.lineno, "call"))
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("sqlalchemy"):
            found += [(node.lineno, "text") for name in node.names if name.name == "text"]
        elif isinstance(node, ast.Constant) and _is_sql(node) and id(node) not in documentation:
            found.append((node.lineno, str(node.value)[:30]))
    return [f"{path.name}:{line} {what}" for line, what in sorted(found)]


def _documentation(tree: ast.Module) -> Iterator[int]:
    """Texts that stand for themselves document something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield id(node.value)


def _is_sql(constant: ast.Constant) -> bool:
    return isinstance(constant.value, str) and SQL.match(constant.value) is not None


def _is_call_with_sql(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in _TAKES_TEXT or ast.unparse(call.func) in {"sa.text", "sqlalchemy.text"}:
        return True
    first = call.args[0] if call.args else None
    return name in _EXECUTES and (
        isinstance(first, ast.JoinedStr) or (isinstance(first, ast.Constant) and isinstance(first.value, str))
    )


def test_no_module_outside_the_dialects_writes_sql() -> None:
    assert [place for path in SOURCES for place in sql_in(path)] == []


def test_dialects_write_what_the_check_looks_for() -> None:
    assert any(sql_in(path) for path in DIALECTS.glob("*.py"))


@pytest.mark.parametrize(
    "code",
    [
        'connection.execute(sa.text("x"))',
        "from sqlalchemy import text\ntext(query)",
        "from sqlalchemy.sql import text as t",
        "connection.exec_driver_sql(query)",
        'cursor.execute(f"{x}")',
        'cursor.execute("vacuum")',
        'query = "SELECT 1"',
        'query = "select a\\n from b where c"',
        'query = "insert into a values (1)"',
        'query = f"DELETE FROM {table}"',
        'query = "  PRAGMA journal_mode"',
        'query = "create unique index a on b (c)"',
        'query = "BEGIN IMMEDIATE"',
        'query = "COPY a FROM STDIN"',
    ],
)
def test_check_of_sql_sees_it(tmp_path: Path, code: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(code)
    assert sql_in(file) != []


@pytest.mark.parametrize(
    "code",
    [
        "connection.execute(sa.select(table).where(table.c.x == 1))",
        "connection.execute(statement, rows)",
        '"""SELECT is explained here."""',
        'help = "Update the tables of a database"',
        'help = "delete runs and their signals"',
        'help = "Set a value, with care"',
        'op.create_table("a", sa.Column("b", sa.Integer()))',
        'pool.execute(work, "select")',
    ],
)
def test_check_of_sql_lets_other_texts_be(tmp_path: Path, code: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(code)
    assert sql_in(file) == []
