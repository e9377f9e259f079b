"""Ground floor of the suite: the only package that a plug-in imports besides its own ``base`` module."""
