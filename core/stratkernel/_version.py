"""The one version number of the distribution `stratkernel`."""

__version__ = "0.1.0"
