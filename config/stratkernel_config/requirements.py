"""Which distributions a document needs, in the words of pip."""

from functools import lru_cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version


def pip_line(distribution: str, versions: str) -> str:
    """What to type to install it: `pip install "stratkernel-ema>=0.1,<0.2"`."""
    return f'pip install "{distribution}{versions}"'


def compatible_range(version: str) -> str:
    """The releases that should do as well as this one: up to the next breaking one, by semantic versions.

    Empty, which is any release, when the version is none.
    """
    try:
        parsed = Version(version)
    except InvalidVersion:
        return ""
    if parsed.major:
        return f">={parsed.major}.{parsed.minor},<{parsed.major + 1}"
    return f">=0.{parsed.minor},<0.{parsed.minor + 1}" if parsed.minor else ""


@lru_cache(maxsize=1024)
def is_range(versions: str) -> bool:
    """Whether this is a version range: `>=1,<2`, `==1.4`, or nothing for any release."""
    try:
        SpecifierSet(versions)
    except InvalidSpecifier:
        return False
    return True


@lru_cache(maxsize=1024)
def satisfies(version: str, versions: str) -> bool:
    """Whether a release lies in a range; one that is under development counts as its release."""
    try:
        return SpecifierSet(versions).contains(Version(version).base_version)
    except InvalidVersion:
        return False
