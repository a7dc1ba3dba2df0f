"""Numeric kernels: each once over arrays, once as a loop that numba compiles, equal to the last bit."""
