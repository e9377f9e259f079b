"""``publish``, ``verify``, ``merge``, ``compare``, ``verdicts``, ``site``: runs for others and what is true of them."""

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


def publish(
    run_folder: Annotated[Path, typer.Argument(help="A run folder with cells/.")],
    out: Annotated[Path, typer.Option(help="Folder of the copy, such as results/quick; an earlier copy is replaced.")],
    pictures: Annotated[
        bool, typer.Option(help="Keep the recovered faces of figures, where all faces are rendered; of people never.")
    ] = True,
    plugin: Annotated[list[Path] | None, typer.Option(help="Python file whose plug-ins are added.")] = None,
) -> None:
    """Copy a run to be shared or committed: report, rows, and the evidence of all cells in one file."""
    from ..core.registry import load_plugin
    from ..run.publish import publish as publish_run

    for file in plugin or []:
        load_plugin(file)
    typer.echo(str(publish_run(run_folder, out, pictures=pictures)))


def compare(
    a: Annotated[Path, typer.Argument(help="A run folder with cells/, or with evidence.")],
    b: Annotated[Path, typer.Argument(help="Another one.")],
    spread: Annotated[
        bool, typer.Option("--spread", help="Instead: how far their rows are apart, of one track on two machines.")
    ] = False,
) -> None:
    """Say where two runs differ by more than chance: SAR Type-II, paired by victim, corrected for all comparisons."""
    from ..run.across import compare_runs
    from ..run.spread import spread_of

    typer.echo(str(spread_of(a, b) if spread else compare_runs(a, b)))


def verdicts(
    page: Annotated[Path, typer.Argument(help="A Markdown page beside run folders.")] = Path("results/README.md"),
    check: Annotated[bool, typer.Option("--check", help="Change nothing; end with 1 where something would.")] = False,
) -> None:
    """Write what boards say of each system into the marked blocks of a page: verdicts, ties, and what is not known."""
    from ..report.readme import fill_page

    changed = fill_page(page, check=check)
    if not changed:
        typer.echo(f"{page} says what its boards say.")
    elif check:
        typer.echo(f"{page} is older than its boards: {', '.join(changed)}. Run faceleak verdicts {page}.")
        raise typer.Exit(1)
    else:
        typer.echo(f"{page}: written anew for {', '.join(changed)}.")


def verify(
    run_folder: Annotated[Path, typer.Argument(help="A run folder with results.csv and cells/, or evidence.")],
    rerun: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the cells that are run again too, drawn at random; 0.1 for a tenth."),
    ] = 0.0,
    seed: Annotated[
        int, typer.Option(min=0, help="Which cells --rerun draws; choose one that the submitter cannot know.")
    ] = 0,
    device: Annotated[str, typer.Option(help="Of --rerun: auto, cpu, cuda, cuda:1 ...")] = "auto",
    store: Annotated[
        Path | None, typer.Option(help="Of --rerun: folder of artefacts; without it one that is made and thrown away.")
    ] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="Python file whose plug-ins are added.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Compute the metrics of a run again from its stored scores, run some cells anew, and say what differs."""
    from ..core.errors import shown
    from ..core.registry import load_plugin
    from ..run.verify import verify_run

    for file in plugin or []:
        load_plugin(file)
    verdict = verify_run(run_folder)
    typer.echo(shown(str(verdict), 1 << 24))
    clean = verdict.clean
    if rerun:
        clean = _rerun(run_folder, (rerun, seed), device, store, quiet) and clean
    if not clean:
        raise typer.Exit(1)


def site(
    results: Annotated[Path, typer.Option(help="Folder of the boards, each as `faceleak publish` makes it.")] = Path(
        "results"
    ),
    out: Annotated[Path, typer.Option(help="Folder of the site; an earlier site there is replaced.")] = Path("site"),
) -> None:
    """Write one static site of all committed boards: by threat, with a search; it loads nothing from the network."""
    from ..report.site import make_site

    typer.echo(f"Site: {make_site(results, out)}")


def _rerun(folder: Path, draw: tuple[float, int], device: str, store: Path | None, quiet: bool) -> bool:
    import tempfile

    from ..core.device import choose_device
    from ..core.progress import Progress
    from ..prepare.session import Session
    from ..report.load import load_run
    from ..run.rerun import drawn, rerun, track_of
    from ..store.store import Store

    run = load_run(folder)
    track = track_of(run)
    chosen = drawn(run, track, *draw)
    with tempfile.TemporaryDirectory("-faceleak") as work:
        kept = store or Path(work) / "store"
        session = Session(track, Store(kept), choose_device(device), Progress(quiet=quiet))
        try:
            found = rerun(run, session, chosen, Path(work) / "cells")
        finally:
            session.close()
    typer.echo(str(found))
    return found.clean
