"""Is a strategy honest? What it says must not depend on candles that were not there yet."""
