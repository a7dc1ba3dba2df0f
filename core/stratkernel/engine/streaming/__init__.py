"""One strategy over candles that need not fit into memory: read in chunks, with carried state."""
