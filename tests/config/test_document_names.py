"""What a document may be called, and that its file stays in its folder."""

from pathlib import Path

import pytest

from stratkernel_config.errors import ConfigError
from stratkernel_config.names import checked_name, document_path, require_inside

BAD = [
    "", ".", "..", "../../etc/passwd", "/etc/passwd", "a/b", "a\\b", "a\0b", "con", "CON", "nul.txt", "com1",
    "x" * 65, "%2e%2e", "a%2fb", "a\u202eb", "a\u200bb", "caf\u00e9", "cafe\u0301", "trailing.", "trailing ",
    " leading", "-flag", ".hidden", "a b", "a\nb", "a:b", "\uff41", "\u0430",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_checked_name_that_is_not_allowed_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name "):
        checked_name(name)
    with pytest.raises(ConfigError, match="name "):
        document_path(tmp_path, name)


@pytest.mark.parametrize("name", ["a", "my-ema", "My_EMA.v2", "9", "x" * 64, "console"])
def test_checked_name_that_is_allowed_is_given_back(name: str, tmp_path: Path) -> None:
    assert checked_name(name) == name
    assert document_path(tmp_path, name) == tmp_path / f"{name}.json"


def test_document_path_that_is_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="a symbolic link, which is not followed"):
        document_path(tmp_path, "a")


def test_require_inside_refuses_a_folder_that_a_link_leads_out(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "home" / "config").symlink_to(tmp_path / "outside")
    require_inside(tmp_path / "home", tmp_path / "home" / "other")
    with pytest.raises(ConfigError, match=r"leads to .*outside"):
        require_inside(tmp_path / "home", tmp_path / "home" / "config")
