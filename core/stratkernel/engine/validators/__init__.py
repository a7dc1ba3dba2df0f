"""Built-in checks of the signals of every run."""
