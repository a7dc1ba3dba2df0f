"""Moving average convergence divergence: an indicator and a strategy for stratkernel."""

__version__ = "0.1.0"
