"""What can be wrong with a document or a file."""


class ConfigError(Exception):
    """A document or settings file that cannot be used; the message says where and what to do."""
