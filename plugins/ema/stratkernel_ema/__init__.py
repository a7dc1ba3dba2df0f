"""Exponential moving average: an indicator and a crossover strategy for stratkernel."""

__version__ = "0.1.0"
