"""When two names are the same name."""

import re
import unicodedata


def folded(name: str) -> str:
    """One form for names that differ only in case or in how their letters are composed."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def normalised(name: str) -> str:
    """As `folded`, and runs of `-`, `_` and `.` are one dash: how packaging compares distributions."""
    return re.sub(r"[-_.]+", "-", folded(name))
