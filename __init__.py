"""faceleak: how much of a face leaks out of what face recognisers store, send or publish, and what stops it."""

from ._version import __version__

__all__ = ["__version__"]
