"""The two markers of the hook system and the version of its API."""

from typing import Final

import pluggy

PROJECT: Final = "stratkernel"
"""Entry-point group, hook prefix and distribution name."""

API_VERSION: Final = 1
"""Rises only with a breaking change; a plugin module may say `STRATKERNEL_API = 1`."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
