"""`python -m stratkernel`."""

import sys

from stratkernel.cli import main

sys.exit(main())
