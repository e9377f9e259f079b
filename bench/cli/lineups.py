"""``faceleak lineup`` and ``faceleak lineup-score``: do people recognise whom an attack recovered?"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

_FEWEST, _MOST = 6, 1000


def lineup(
    run_folder: Annotated[Path, typer.Argument(help="A run folder with results.csv and run.json.")],
    trials: Annotated[
        int, typer.Option(min=_FEWEST, max=_MOST, help="Line-ups for each respondent, catch trials among them.")
    ] = 40,
    faces: Annotated[int, typer.Option(min=2, max=9, help="Photographs in a line-up, the true one among them.")] = 6,
    only: Annotated[
        list[str] | None, typer.Option(help="Conditions, as in `faceleak run`; without it the strongest attack.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for lineup.html and lineup-key.json.")] = Path("lineup"),
    consent: Annotated[
        Path | None, typer.Option(help="Text file of the consent, a blank line between paragraphs.")
    ] = None,
    contact: Annotated[str, typer.Option(help="Whom respondents can ask; shown under the consent.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Of who stands in which line-up.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")] = "auto",
    store: Annotated[Path | None, typer.Option(help="Folder of shared artefacts; default $FACELEAK_STORE.")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="Python file whose plug-ins are added.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Write a page of line-ups for people: whom does a recovered picture show?"""
    from ..core.device import choose_device
    from ..core.progress import Progress
    from ..core.registry import load_plugin
    from ..plan.cells import cells
    from ..prepare.session import Session
    from ..report.load import load_run
    from ..run.provenance import environment, spoken
    from ..run.rerun import track_of
    from ..run.runner import parse_only, selected
    from ..store.store import Store, default_root
    from ..study.make import make_study, strongest
    from ..study.page import CONSENT, write_study

    for file in plugin or []:
        load_plugin(file)
    words = _paragraphs(consent) if consent else CONSENT
    run = load_run(run_folder)
    track = track_of(run)
    every = cells(track)
    chosen = selected(every, parse_only(only), track.name) if only else [strongest(run, every)]
    session = Session(track, Store(store or default_root()), choose_device(device), Progress(quiet=quiet))
    try:
        study = make_study(session, chosen, trials, faces, seed)
    finally:
        session.close()
    env = environment(session.device)
    about = {
        "track": track.name, "dataset": track.dataset.name, "code_sha": env["code_sha"], "dirty": env["dirty"],
        "command": shlex.join(["faceleak", *spoken(sys.argv[1:])]),
    }  # fmt: skip
    page = write_study(study, about, out, words, contact)
    for title in study.key["conditions"]:
        typer.echo(f"Condition: {title}")
    typer.echo(
        f"{study.key['forms']} forms of {study.key['trials_per_form']} line-ups, matched by {study.key['matched_by']}."
    )
    typer.echo(f"Page: {page} (send it), key: {page.with_name('lineup-key.json')} (keep it).")
    typer.echo(f"It shows faces of {track.dataset.name}; licence: {type(session.dataset).licence or 'not stated'}.")


def lineup_score(
    key: Annotated[Path, typer.Argument(help="lineup-key.json, or its folder.")],
    answers: Annotated[list[Path], typer.Argument(help="CSV files of respondents, or folders of them.")],
    catch: Annotated[
        float, typer.Option(min=0, max=1, help="Least share of catch trials right; others are left out.")
    ] = 0.75,
    out: Annotated[Path | None, typer.Option(help="CSV file for the table.")] = None,
) -> None:
    """Score the answers of line-up respondents: rates, d', ratio to the randomised baseline, agreement."""
    from ..report.boards import write_csv
    from ..study.answers import read_answers, read_key
    from ..study.score import score, told

    read = read_key(key)
    found = score(read_answers(answers, read), read, catch)
    typer.echo(told(found))
    if out:
        write_csv(found.table, out)
        typer.echo(f"Table: {out}")


def _paragraphs(file: Path) -> list[str]:
    from ..core.errors import InputError

    parts = file.read_text(encoding="utf-8-sig").replace("\r\n", "\n").split("\n\n")
    words = [" ".join(part.split()) for part in parts]
    if not any(words):
        raise InputError(f"{file} is empty; write what respondents agree to, or leave --consent out.")
    return [part for part in words if part]
