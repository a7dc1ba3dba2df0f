"""Which source reads a location: chosen by URL scheme or file suffix."""

from stratkernel.kernel.errors import UsageError
from stratkernel.kernel.kinds import DATA_SOURCE
from stratkernel.kernel.manager import Kernel
from stratkernel.kernel.registry import Item


def source_for(kernel: Kernel, location: str) -> Item:
    """The data source of a URL's scheme or a file's suffix.

    Raises:
        UsageError: no source reads it; says which suffixes and schemes are read.
    """
    scheme = location.partition("://")[0] if "://" in location else ""
    items = kernel.items(DATA_SOURCE)
    for item in items:
        by_scheme = scheme in item.cls.schemes
        by_suffix = scheme in {"", "file"} and location.lower().endswith(item.cls.suffixes)
        if by_scheme or by_suffix:
            return item
    schemes = sorted(f"{name}://" for item in items for name in item.cls.schemes)
    suffixes = sorted(suffix for item in items for suffix in item.cls.suffixes)
    raise UsageError(f"no source reads {location}; expected one of: {', '.join([*suffixes, *schemes])}")
