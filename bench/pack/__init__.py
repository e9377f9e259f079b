"""Somebody else's files: where they lie, how they are brought here, and what a data pack of real faces is made of."""
