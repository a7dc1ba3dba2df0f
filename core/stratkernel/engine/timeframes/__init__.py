"""Several timeframes in one strategy: higher candles made or given, and aligned by when they are known."""
