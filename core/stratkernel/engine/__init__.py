"""From candles and a strategy to checked signals, trades and metrics."""
