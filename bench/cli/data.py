"""``faceleak fetch`` and ``faceleak prepare``: somebody else's files, after their licence was shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

Yes = Annotated[bool, typer.Option("--yes", help="You accept the licences that are shown; do not ask.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]


def fetch(
    name: Annotated[str, typer.Argument(help="What to get; without one, all that can be fetched is listed.")] = "",
    yes: Yes = False,
    to: Annotated[str, typer.Option(help="Folder, instead of the one where the suite looks for it.")] = "",
    url: Annotated[str, typer.Option(help="A mirror; the digest must be the same.")] = "",
    quiet: Quiet = False,
) -> None:
    """Download one file of others, after showing its licence. Only this and `prepare` ever download."""
    from ..core.progress import Progress
    from ..pack.fetch import fetch as get
    from ..pack.fetch import notice, place
    from ..pack.origins import ARTEFACTS, artefact
    from .listing import table

    if not name:
        rows: list[tuple[str, ...]] = [(one.name, one.what, one.licence) for one in ARTEFACTS.values()]
        typer.echo(table(("name", "what", "licence"), rows))
        return
    wanted = artefact(name)
    folder = place(wanted, to)
    typer.echo(notice(wanted, folder, url))
    _agree(yes, "Do you accept the licence?")
    with _stoppable():
        got = get(wanted, folder, Progress(quiet=quiet), url)
    typer.echo(f"{'Got' if got.new else 'Already there:'} {got.path} (sha256 {got.sha256 or 'not recorded'})")


def prepare(
    pack: Annotated[str, typer.Argument(help="What to prepare: lfw, or photographs (what aligns your own).")],
    out: Annotated[Path | None, typer.Option(help="Folder; default $FACELEAK_DATA, else the user's own.")] = None,
    yes: Yes = False,
    without: Annotated[list[str] | None, typer.Option(help="A part that is not wanted, such as fid.")] = None,
    quiet: Quiet = False,
) -> None:
    """Build a pack of real faces and recognisers from public origins. Stopped, the same command goes on."""
    from ..core.progress import Progress
    from ..pack.place import default_place
    from ..pack.prepare import missing, notices
    from ..pack.prepare import prepare as make

    given = os.environ.get("FACELEAK_DATA")
    root = (out or (Path(given) if given else default_place())).expanduser()
    parts = missing(pack, root, without or [])
    if parts:
        typer.echo(f"The pack {pack} at {root} lacks:\n{notices(parts, root)}")
        typer.echo("Addresses and digests of one: faceleak fetch NAME. A part that you do not want: --without PART.")
        _agree(yes, "Do you accept these licences?")
        with _stoppable():
            made = make(parts, root, Progress(quiet=quiet))
        typer.echo(f"Made {', '.join(made)}.")
    typer.echo(f"{root} holds the pack {pack}.")
    if root != default_place() and root != Path(given or "").expanduser():
        typer.echo(f"For faceleak to find it there: export FACELEAK_DATA={root.absolute()}")
    typer.echo("What can run now: faceleak doctor")


def _agree(yes: bool, question: str) -> None:
    if not yes and not typer.confirm(question):
        typer.echo("Nothing was downloaded.")
        raise typer.Exit(1)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Ctrl-C is a sentence and status 130: all that has come is kept."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Stopped. What has come is kept; the same command goes on from there.")
        raise typer.Exit(130) from None
