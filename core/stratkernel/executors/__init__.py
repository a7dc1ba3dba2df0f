"""Who does batch work: this process, others of this machine, or a Dask cluster. A built-in plugin."""
