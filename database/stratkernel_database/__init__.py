"""Runs, signals and candles in SQLite or PostgreSQL: the built-in storage plugin of stratkernel."""
