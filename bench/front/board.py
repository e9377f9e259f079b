"""A track from Python: other attacks, other defences, and the rows as a data frame."""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pandas as pd
import torch

from ...attacks.base import Attack
from ...defenses.base import Defense
from ..core.device import choose_device
from ..core.errors import InputError
from ..core.progress import Progress
from ..core.registry import ATTACKS, DEFENSES, Registry
from ..plan.ensemble import StandardEnsemble
from ..plan.track import AttackSpec, DefenseSpec, Track, check_names, load_track
from ..record.results import read_results
from ..run.collect import read_failures
from ..run.runner import RunOptions, parse_only, run_track
from ..store.store import default_root
from .results import typed

Settings: TypeAlias = Mapping[str, Any]
# A registered name or one of the track's labels, a class, or either with settings.
Method: TypeAlias = "str | type[Attack] | type[Defense] | tuple[str | type[Attack] | type[Defense], Settings]"
S = TypeVar("S", AttackSpec, DefenseSpec)


def benchmark(
    track: str | Path | Track,
    *,
    attacks: Sequence[Method | AttackSpec] | None = None,
    defenses: Sequence[Method | DefenseSpec] | None = None,
    only: Mapping[str, str] | None = None,
    seeds: Sequence[int] | None = None,
    out: str | Path | None = None,
    store: str | Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Run a track and return its rows; columns as in ``results.csv``, a cell that failed is a row with that status.

    Args:
        track: a name (``faceleak list tracks``), the path of a TOML file, or a ``Track``.
        attacks: instead of the track's: names, of the track's entries or registered; classes, also of a notebook; or
            (name or class, settings).
        defenses: likewise.
        only: key -> shell pattern; keys are those of ``faceleak run --only``.
        seeds: instead of the track's.
        out: run folder, where a second call finds finished cells; where None, one that is gone afterwards.
        store: folder of shared artefacts; where None, that of ``FACELEAK_STORE``.
        device: ``auto``, ``cpu``, ``cuda``, ...
        progress: where it is shown; nowhere if None.

    Raises:
        TrackError: no such track, an entry that it does not take, or no cell that matches.
        RegistryError: no such attack or defence.
    """
    chosen = track if isinstance(track, Track) else load_track(str(track))
    place = choose_device(device)
    if place.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with contextlib.ExitStack() as stack:
        chosen = _with_methods(chosen, attacks, defenses, stack)
        if seeds is not None:
            chosen = chosen.model_copy(update={"seeds": tuple(seeds)})
        folder = Path(out) if out is not None else Path(stack.enter_context(tempfile.TemporaryDirectory("-faceleak")))
        words = [f"{key}={pattern}" for key, pattern in (only or {}).items()]
        options = RunOptions(
            folder, Path(store) if store is not None else default_root(), place, parse_only(words),
            command="faceleak.benchmark", progress=progress or Progress(),
        )  # fmt: skip
        stack.enter_context(_kernels_as_they_were())
        summary = run_track(chosen, options)
        if summary.failed:
            _warn(summary.failed, folder)
        return typed(read_results(summary.results))


def _with_methods(
    track: Track,
    attacks: Sequence[Method | AttackSpec] | None,
    defenses: Sequence[Method | DefenseSpec] | None,
    stack: contextlib.ExitStack,
) -> Track:
    """The track with other entries; what is named meets everything else that is there."""
    changed: dict[str, Any] = {}
    kept = track.defenses
    if defenses is not None:
        kept = tuple(_entry(one, track.defenses, DefenseSpec, DEFENSES, stack) for one in defenses)
        changed["targets"] = tuple(one.model_copy(update={"defenses": ("*",)}) for one in track.targets)
    if attacks is not None:
        changed["attacks"] = tuple(_entry(one, track.attacks, AttackSpec, ATTACKS, stack) for one in attacks)
        kept = tuple(one.model_copy(update={"attacks": ("*",)}) for one in kept)
    changed["defenses"] = kept
    new = track.model_copy(update=changed)
    check_names(new, Path(track.name or "track"))
    return new


def _entry(one: Any, there: Sequence[S], kind: type[S], registry: Registry[Any], stack: contextlib.ExitStack) -> S:
    """A track's entry from what a caller gave."""
    if isinstance(one, kind):
        return one
    method, settings = one if isinstance(one, tuple) else (one, None)
    if isinstance(method, type):
        method = stack.enter_context(registry.lent(method))
    elif isinstance(method, str):
        for entry in there:
            if method == entry.title:
                return entry if settings is None else entry.model_copy(update={"settings": dict(settings)})
        if method != StandardEnsemble.name:
            registry.get(method)  # says what there is
    else:
        raise InputError(f"{one!r} is no {registry.kind}; give a name, a class, or (name or class, settings).")
    return kind.model_validate({"name": method, "settings": dict(settings or {})})


@contextlib.contextmanager
def _kernels_as_they_were() -> Iterator[None]:
    """A run asks for deterministic kernels; whoever called it goes on with their own."""
    before = torch.get_deterministic_debug_mode()
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)


def _warn(failed: int, folder: Path) -> None:
    """A failed cell is easily overlooked among the rows."""
    rows = read_failures(folder / "failures.csv").query("status == 'failed'")
    first = rows.iloc[0]
    warnings.warn(
        f"{failed} cell{'s' * (failed != 1)} failed, the first with {first['class']}: {first['message']}", stacklevel=3
    )
