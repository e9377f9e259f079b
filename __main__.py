"""``python -m faceleak``."""

from .bench.cli import main

main()
