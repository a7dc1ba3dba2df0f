"""URLs of databases for people and logs: no part of a password is shown."""

import re
from typing import Final

HIDDEN: Final = "*** (no URL, so it is not shown)"

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://")
_PASSWORD: Final = re.compile(r"(://[^:/]*):.*@", re.DOTALL)
_SECRET_OPTION: Final = re.compile(r"(?i)([?&][^=&]*(?:password|passwd|secret|token|key)[^=&]*)=[^&]*")


def scheme_of(url: str) -> str | None:
    """What stands before `://`; `None` where that is no scheme, so that anything in it may be a password."""
    found = _SCHEME.match(url)
    return found.group(1) if found else None


def redacted_url(url: str) -> str:
    """A URL without its password, up to the last `@`: one within a password may have been written as it is.

    Of what is no URL nothing is shown.
    """
    if scheme_of(url) is None:
        return HIDDEN if url else ""
    return _SECRET_OPTION.sub(r"\1=***", _PASSWORD.sub(r"\1:***@", url))
