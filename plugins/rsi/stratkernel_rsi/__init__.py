"""Relative strength index: an indicator and a strategy for stratkernel."""

__version__ = "0.1.0"
