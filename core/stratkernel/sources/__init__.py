"""Sources of candles that come with the kernel: a plugin like any other."""
