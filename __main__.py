"""``python -m faceleak``."""

from .bench.cli.main import main

main()
