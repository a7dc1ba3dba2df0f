"""Files are written whole, or not at all."""

import errno
import os
import stat
from pathlib import Path

import pytest

from stratkernel_config.files import replacing


def write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def test_replacing_writes_a_new_file(tmp_path: Path) -> None:
    write(tmp_path / "new.json", "new")
    assert (tmp_path / "new.json").read_text(encoding="utf-8") == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["new.json"]


def test_replacing_replaces_an_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write(path, "old")
    write(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_replacing_that_fails_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "x.csv"
    write(path, "old")
    with pytest.raises(error):
        _write_and_fail(path, error)
    assert path.read_text(encoding="utf-8") == "old"
    assert len(list(tmp_path.iterdir())) == 1


def _write_and_fail(path: Path, error: type[BaseException]) -> None:
    with replacing(path) as temporary:
        temporary.write_text("half of the n", encoding="utf-8")
        raise error


def test_replacing_that_fails_makes_no_new_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), replacing(tmp_path / "x.csv"):
        raise ValueError("no")
    assert list(tmp_path.iterdir()) == []


def test_replacing_that_cannot_be_written_names_the_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.csv"

    def refuse(place: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(place))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", refuse)
        with pytest.raises(PermissionError) as caught:
            write(path, "new")
    assert (caught.value.filename, caught.value.strerror) == (str(path), "Permission denied")


def test_replacing_on_a_full_disk_names_the_file_where_a_library_did_not(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with pytest.raises(OSError, match="No space left") as caught:
        _fill_the_disk(path, OSError(errno.ENOSPC, "Error writing bytes to file"))
    assert caught.value.filename == str(path)


def test_replacing_leaves_errors_of_other_files_as_they_are(tmp_path: Path) -> None:
    other = FileNotFoundError(errno.ENOENT, "No such file or directory", "other.csv")
    with pytest.raises(FileNotFoundError) as caught:
        _fill_the_disk(tmp_path / "x.csv", other)
    assert caught.value is other


def _fill_the_disk(path: Path, error: OSError) -> None:
    with replacing(path):
        raise error


def test_replacing_gives_a_temporary_file_of_the_same_kind(tmp_path: Path) -> None:
    with replacing(tmp_path / "x.parquet") as temporary:
        assert temporary.suffix == ".parquet"
        assert temporary.parent == tmp_path
        assert temporary.name != "x.parquet"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_replacing_keeps_the_permissions_of_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    write(path, "old")
    path.chmod(0o600)
    write(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_replacing_gives_a_new_file_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write(tmp_path / "written", "x")
    assert (tmp_path / "written").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_replacing_follows_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "x.json", tmp_path / "link.json"
    write(target, "old")
    link.symlink_to(target)
    write(link, "new")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"


def test_replacing_in_a_folder_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "nowhere" / "x.csv"):
        pytest.fail("the block must not begin")
