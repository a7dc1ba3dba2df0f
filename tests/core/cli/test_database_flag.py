"""`--database`: an empty or mistyped URL does no harm, and what cannot be made is said plainly."""

from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("command", [("runs", "list"), ("data", "import", "x.csv"), ("db", "upgrade")])
@pytest.mark.parametrize("url", ["", "  "])
def test_empty_database_flag_is_refused_and_never_means_the_default(
    stratkernel: Any, home: Path, command: tuple[str, ...], url: str
) -> None:
    done = stratkernel(*command, "--database", url)
    assert (done.code, done.out) == (2, "")
    assert "argument --database: expected a URL, got an empty text" in done.err
    assert list(home.iterdir()) == []


READING = [
    ("data", "list"),
    ("data", "check"),
    ("data", "export", "--symbol", "A", "-o", "a.csv"),
    ("data", "delete", "--symbol", "A", "--yes"),
    ("runs", "list"),
    ("runs", "show", "last"),
    ("runs", "compare", "last", "last~1"),
    ("runs", "star", "last"),
    ("runs", "delete", "last", "--yes"),
    ("signals", "export", "-o", "a.csv"),
    ("signals", "stats"),
    ("db", "clean"),
    ("run", "macd", "--symbol", "A"),
    ("check-lookahead", "macd", "--symbol", "A"),
]


@pytest.mark.parametrize("command", READING, ids=" ".join)
@pytest.mark.parametrize("place", ["typo.db", "newdir/typo.db"])
def test_reading_command_makes_no_database_of_a_mistyped_url(
    stratkernel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], place: str
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    done = stratkernel(*command, "--database", f"sqlite:///{place}")
    assert (done.code, "Traceback" in done.err) == (2, False)
    assert f"there is no database of stratkernel at sqlite:///{place}" in done.err
    assert list(folder.iterdir()) == []


@pytest.mark.postgresql
def test_reading_command_makes_no_tables_on_a_server_that_its_flag_names(
    stratkernel: Any, home: Path, postgres_url: str
) -> None:
    done = stratkernel("runs", "list", "--database", postgres_url)
    assert (done.code, "there is no database of stratkernel at postgresql://" in done.err) == (2, True)
    assert "no tables yet" in stratkernel("db", "current", "--database", postgres_url).out


def test_database_that_a_flag_names_is_made_by_what_stores(
    stratkernel: Any, tmp_path: Path, candles: str
) -> None:
    url = f"sqlite:///{tmp_path / 'kept.db'}"
    saved = ("run", "macd", "--data", candles, "--save", "--database", url)
    assert stratkernel(*saved).code == 0
    assert "macd" in stratkernel("runs", "list", "--database", url).out


def test_db_upgrade_makes_the_folder_of_a_new_database(stratkernel: Any, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "newdir" / "x.db"
    assert stratkernel("db", "upgrade", "--database", f"sqlite:///{file}").code == 0
    assert file.is_file()
    deeper = stratkernel("db", "upgrade", "--database", f"sqlite:///{tmp_path / 'a' / 'b' / 'x.db'}")
    assert deeper.code == 2
    assert "make it, or name another file" in deeper.err


@pytest.mark.parametrize("command", [("data", "list"), ("db", "upgrade"), ("demo",)], ids=" ".join)
def test_home_that_cannot_be_made_is_one_sentence(
    stratkernel: Any, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "file").write_text("in the way")
    home = tmp_path / "file" / "home"
    done = stratkernel(*command, "--home", str(home))
    assert done.code == 2
    assert f"the project home {home} cannot be made: Not a directory; name another (--home)" in done.err
