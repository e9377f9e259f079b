"""``faceleak merge``: one's own rows on a board of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def merge(
    own: Annotated[Path, typer.Argument(help="Your run folder.")],
    board: Annotated[Path, typer.Argument(help="The run folder that yours is held against, such as results/quick.")],
    out: Annotated[Path, typer.Option(help="A new folder for the board with both.")],
) -> None:
    """Put your rows on a board of others, where data, protocol and recognizers are the same."""
    from ..report import make_report
    from ..report.merge import merge as merge_runs

    found = merge_runs(own, board, out)
    for kind, names in found.newcomers.items():
        if names:
            typer.echo(f"New {kind}: {', '.join(names)}")
    typer.echo(f"{found.rows} rows were added. {found.control}")
    typer.echo(f"Page: {make_report(out)}")
