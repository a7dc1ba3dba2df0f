"""Distributions that nobody built, for tests of what the kernel makes of them."""

from collections.abc import Mapping
from pathlib import Path


def fake_distribution(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    entry_points: Mapping[str, str],
    modules: Mapping[str, str | bytes],
) -> Path:
    """Lay out an installed distribution in a folder, to be put on `sys.path`; gives the folder.

    `entry_points` of the group `stratkernel` map names to modules; `modules` map paths relative to the
    folder (`acme_rsi.py`) to their source, as text or as raw bytes.
    """
    # a dash in the folder's name would cut the distribution's name short when it is read back
    information = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    information.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (information / "METADATA").write_text(metadata, encoding="utf-8")
    lines = ["[stratkernel]", *(f"{entry} = {target}" for entry, target in entry_points.items())]
    (information / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for path, source in modules.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(source.encode() if isinstance(source, str) else source)
    return folder
