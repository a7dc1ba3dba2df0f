"""Plugins that are wrong on purpose: every check is proved by one of them."""
