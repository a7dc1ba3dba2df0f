"""The kit's fake distributions are what `importlib.metadata` takes for installed ones."""

from importlib.metadata import distributions
from pathlib import Path

from stratkernel.testing import fake_distribution


def test_fake_distribution_is_found_with_name_version_and_every_entry_point(tmp_path: Path) -> None:
    for name in ("acme-one-two", "acme-one-three"):
        fake_distribution(tmp_path, name, "2.0", entry_points={"a": "module_a", "b": "module_b"}, modules={})
    found = {each.metadata["Name"]: each for each in distributions(path=[str(tmp_path)])}
    assert set(found) == {"acme-one-two", "acme-one-three"}
    for each in found.values():
        assert each.version == "2.0"
        entries = {entry.name: entry.value for entry in each.entry_points.select(group="stratkernel")}
        assert entries == {"a": "module_a", "b": "module_b"}


def test_fake_distribution_writes_its_modules(tmp_path: Path) -> None:
    given = {"module_a.py": "x = '\u00e9'\n", "package/inner.py": b"\xff\x00"}
    assert fake_distribution(tmp_path / "new", "acme", entry_points={}, modules=given) == tmp_path / "new"
    assert (tmp_path / "new" / "module_a.py").read_text(encoding="utf-8") == "x = '\u00e9'\n"
    assert (tmp_path / "new" / "package" / "inner.py").read_bytes() == b"\xff\x00"
