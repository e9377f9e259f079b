"""The ``faceleak`` command. Heavy imports happen inside the commands, so that ``--help`` answers at once."""

from __future__ import annotations

import os
import shlex
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from .data import fetch, prepare
from .lineups import lineup, lineup_score
from .sharing import compare, merge, publish, site, verdicts, verify

app = typer.Typer(
    help="How much of a face leaks out of what face recognisers store, send or publish, and what stops it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Kind(str, Enum):
    """What can be listed."""

    ATTACKS = "attacks"
    DEFENSES = "defenses"
    DATASETS = "datasets"
    RECOGNIZERS = "recognizers"
    TRACKS = "tracks"


MOST_THREADS = 1024
Plugins = Annotated[list[Path] | None, typer.Option("--plugin", help="Python file whose plug-ins are added.")]


@app.command("list")
def list_(kind: Kind, plugin: Plugins = None) -> None:
    """List what is there: attacks, defenses, datasets, recognizers or tracks."""
    from .listing import listing

    _load(plugin)
    typer.echo(listing(kind.value))


@app.command()
def run(
    track: Annotated[str, typer.Argument(help="Name of a track, or the path of a .toml file.")],
    only: Annotated[
        list[str] | None, typer.Option(help="key=label or key=pattern; repeated for one key: either.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")] = "auto",
    seeds: Annotated[str, typer.Option(help="Comma-separated seeds instead of the track's.")] = "",
    out: Annotated[Path | None, typer.Option(help="Run folder; default results/runs/TRACK.")] = None,
    store: Annotated[Path | None, typer.Option(help="Folder of shared artefacts; default $FACELEAK_STORE.")] = None,
    threads: Annotated[
        int,
        typer.Option(
            min=0, max=MOST_THREADS, help="CPU threads of each worker; 0 = $OMP_NUM_THREADS, else all cores, shared."
        ),
    ] = 0,
    workers: Annotated[str, typer.Option(help="Processes that run cells; auto = one for each core or GPU.")] = "1",
    ray: Annotated[str, typer.Option(help="Run cells on a Ray cluster: auto, or its address.")] = "",
    gpus: Annotated[float, typer.Option(min=0, max=16, help="GPUs of a Ray worker, also a part of one.")] = 0.0,
    artefacts: Annotated[str, typer.Option(help="Where machines share artefacts, an fsspec path (s3://...).")] = "",
    plugin: Plugins = None,
    report: Annotated[bool, typer.Option(help="Write boards, figures and the page afterwards.")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    in_process: Annotated[
        bool, typer.Option("--in-process", help="Plug-ins work here, for debuggers; marked.")
    ] = False,
) -> None:
    """Run a track. Finished cells are kept, so an interrupted run goes on where it stopped."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    from ..core.device import choose_device
    from ..core.progress import Progress
    from ..plan.track import load_track, with_seeds
    from ..run.belonging import origin_of
    from ..run.engines import worker_count
    from ..run.interrupted import bring_up, stoppable, told
    from ..run.provenance import spoken
    from ..run.runner import RunOptions, parse_only, run_track
    from ..store.store import default_root

    _load(plugin)
    cores = _given_threads() or os.cpu_count() or 1
    torch.set_num_threads(threads or cores)
    loaded = load_track(track)
    if seeds:
        loaded = with_seeds(loaded, _integers(seeds))
    folder = out or Path("results") / "runs" / loaded.name
    place = choose_device(device)
    options = RunOptions(
        out=folder,
        store=store or default_root(),
        device=place,
        only=parse_only(only or []),
        again=_again(plugin, seeds),
        command=shlex.join(["faceleak", *spoken(sys.argv[1:])]),
        progress=Progress(quiet=quiet),
        origin=origin_of(track),
        in_process=in_process,
        workers=worker_count(workers, place, cores),
        threads=threads,
        ray=ray,
        gpus=gpus,
        artefacts=artefacts,
    )
    with stoppable():
        try:
            summary = run_track(loaded, options)
        except KeyboardInterrupt:
            typer.echo("Stopped. What has ended is in results.csv; the same command goes on from there.")
            typer.echo(bring_up(folder, report=report))
            raise typer.Exit(130) from None
    typer.echo(told(summary, folder))
    typer.echo(bring_up(folder, report=report))
    if summary.failed:
        raise typer.Exit(1)


@app.command()
def protect(
    defense: Annotated[str, typer.Option(help="A defense of published pictures, or its label in the track.")],
    source: Annotated[Path, typer.Option("--in", help="Folder of square, aligned face pictures; only read.")],
    out: Annotated[Path, typer.Option(help="Folder for the protected PNGs; what is there stays.")],
    track: Annotated[str, typer.Option(help="Track whose recognizers and faces the defense works with.")] = "images",
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value of the defense; repeatable.")] = None,
    keys: Annotated[Path | None, typer.Option(help="Folder for the keys of a reversible defense.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")] = "auto",
    store: Annotated[Path | None, typer.Option(help="Folder of shared artefacts; default $FACELEAK_STORE.")] = None,
    plugin: Plugins = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Protect a folder of pictures before they are published."""
    from ..core.device import choose_device
    from ..core.progress import Progress
    from ..plan.track import load_track
    from ..prepare.session import Session
    from ..store.store import Store, default_root
    from .protect import named_defense
    from .protect import protect as protect_folder

    _load(plugin)
    session = Session(load_track(track), Store(store or default_root()), choose_device(device), Progress(quiet=quiet))
    result = protect_folder(session, named_defense(session, defense, settings or []), source, out, keys)
    for line in () if quiet else result.lines():
        typer.echo(line)
    for title, what in (("Partly", result.partly), ("Passed over", result.passed), ("Left out", result.problems)):
        for name, problem in what.items():
            typer.echo(f"{title} {name}: {problem}", err=True)
    typer.echo(f"{len(result.done)} protected, {len(result.there)} were there, {len(result.problems)} left out: {out}")
    if result.problems:
        raise typer.Exit(1)


@app.command()
def report(
    run_folder: Annotated[Path, typer.Argument(help="A run folder with results.csv.")],
    tables: Annotated[str, typer.Option(help="For a paper: main,attacks,transfer,publication, or some of them.")] = "",
    style: Annotated[str, typer.Option(help="Of --tables: ieee, acm or springer.")] = "ieee",
) -> None:
    """Write boards, figures and the page of a run anew, from its CSV; with --tables what a paper needs, too."""
    typer.echo(f"Page: {_report(run_folder)}")
    if tables:
        from ..report.paper import write_paper

        wanted = [name.strip() for name in tables.split(",") if name.strip()]
        typer.echo(f"Paper: {write_paper(run_folder, wanted, style)}")


for command in (fetch, prepare, lineup, lineup_score, merge, publish, compare, verdicts, verify, site):
    app.command()(command)


@app.command()
def doctor(track: Annotated[str, typer.Argument(help="A track; without one, everything is looked at.")] = "") -> None:
    """What is present, what is missing, and which tracks can run here."""
    from .doctor import examine, show

    findings = examine(track)
    typer.echo(show(findings))
    if track and findings[-1].state != "ok":
        raise typer.Exit(1)


class NewKind(str, Enum):
    """What a plug-in file can be begun for."""

    ATTACK = "attack"
    DEFENSE = "defense"


@app.command()
def new(
    kind: NewKind,
    name: Annotated[str, typer.Argument(help="Lower-case words joined by dashes.")],
    out: Annotated[Path, typer.Option(help="Folder of the file.")] = Path(),
) -> None:
    """Begin an attack or a defense: a file that passes its contract tests as it stands."""
    from .scaffold import scaffold

    file = scaffold(kind.value, name, out)
    typer.echo(f"Wrote {file}.")
    typer.echo(
        f"Its contract tests, in a checkout of faceleak: FACELEAK_PLUGIN={file.absolute()} make test ARGS='-k {name}'"
    )
    typer.echo(f"On a board: name it in a track, then faceleak run TRACK.toml --plugin {file}")


def _report(folder: Path) -> Path:
    from ..report import make_report

    return make_report(folder)


def _load(plugins: list[Path] | None) -> None:
    from ..core.registry import load_plugin

    for file in plugins or []:
        load_plugin(file)


def _again(plugins: list[Path] | None, seeds: str) -> tuple[str, ...]:
    """Words that every cell's command repeats."""
    files = (word for file in plugins or [] for word in ("--plugin", str(file)))
    return (*files, *(("--seeds", seeds) if seeds else ()))


def _given_threads() -> int:
    """``OMP_NUM_THREADS`` where it is a number: who sets it runs something else beside."""
    words = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(words), MOST_THREADS) if words.isdecimal() else 0


def _integers(text: str) -> list[int]:
    from ..core.errors import InputError

    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"--seeds {text!r}: expected integers separated by commas, such as 0,1,2.") from error


def main() -> None:
    """Entry point: a user's errors are one sentence, not a traceback (``boundary``)."""
    from ..core.boundary import plain_warnings, sentence
    from ..pack.place import offer

    plain_warnings()
    offer()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads that spin make every busy neighbour crawl
    try:
        app()
    except BrokenPipeError:  # `faceleak list attacks | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        told = sentence(error)
        if told is None:
            raise
        typer.echo(f"faceleak: {told}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
