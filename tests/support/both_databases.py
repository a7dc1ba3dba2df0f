"""Tests that run on each kind of database: `@on_both_databases`, beside the fixture `database`."""

import pytest

on_both_databases = pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
