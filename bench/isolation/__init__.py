"""An attack in a process of its own, and the secrets that it never sees."""
