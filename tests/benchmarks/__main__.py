"""`python -m tests.benchmarks [TABLE ...]`, of those in `TABLES`: print tables of ratios."""

import sys
from importlib import import_module

TABLES = (
    "configuration",
    "indicators",
    "single_run",
    "startup",
    "storage",
    "stored_signals",
    "streaming",
    "sweep",
)

for name in sys.argv[1:] or TABLES:
    print(f"\n## {name}\n", flush=True)
    print(import_module(f"tests.benchmarks.{name}").table(), flush=True)
