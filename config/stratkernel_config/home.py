"""The project home: where settings and documents live."""

import os
from pathlib import Path


def project_home() -> Path:
    """`STRATKERNEL_HOME`, else the platform's folder for user data. It need not exist."""
    named = os.environ.get("STRATKERNEL_HOME")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("stratkernel", appauthor=False)
