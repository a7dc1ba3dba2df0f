"""The words that everyone shares: candles, indicators, strategies, signals and who brings or keeps them."""
