"""Documents, files and settings. It knows nothing of plugins."""
