"""What publishing a protected picture is worth: who still finds its person, what is left of it, who gets it back.

Of the first people of the victims split one photograph each is published.
"""

from . import edits, found, geometry, keys, looks

__all__ = ["edits", "found", "geometry", "keys", "looks"]
