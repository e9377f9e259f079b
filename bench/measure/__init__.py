"""Measurements: one file per family, each a plug-in; ``base.py`` is their contract."""
