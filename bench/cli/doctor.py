"""``faceleak doctor``: what is present, what is missing, and which tracks can run here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from ..core.errors import FaceleakError
from ..core.extras import EXTRAS
from ..core.registry import DATASETS, RECOGNIZERS
from ..metrics.perceptual import Fid, Lpips, MetricUnavailable
from ..pack.prepare import SETS
from ..plan.portable import problem, with_members
from ..plan.track import TRACKS, Track, load_track
from ..run.provenance import environment
from ..store.store import default_root
from .listing import table

PREPARE = "`faceleak prepare lfw`"
_FOLDERS = {
    "FACELEAK_DATA": f"real faces and recognisers of the lfw tracks; {PREPARE} makes one",
    "FACELEAK_WEIGHTS": f"backbones of LPIPS and FID; {PREPARE} gets them, too",
}


@dataclass(frozen=True)
class Finding:
    """One line of the examination.

    Args:
        what: what was looked at.
        state: ``ok``, ``missing`` or ``note``.
        text: what was seen, and what to do about it.
    """

    what: str
    state: str
    text: str


def examine(track: str = "") -> list[Finding]:
    """Everything, or what one track needs.

    Args:
        track: name of a track or path of its file; empty for all that come with the suite.
    """
    if track:
        read = load_track(track)
        missing = [Finding("missing", "missing", text) for text in track_problems(read)]
        return [*_machine(), *_data(read), *missing, _track(read)]
    tracks = [_track(load_track(file.stem)) for file in sorted(TRACKS.glob("*.toml"))]
    return [*_machine(), *_folders(), *_backbones(), _packs(), *tracks]


def show(findings: list[Finding]) -> str:
    """As an aligned table."""
    return table(("what", "state", "seen"), [(one.what, one.state, one.text) for one in findings])


def track_problems(track: Track) -> list[str]:
    """Why a track cannot run here, one sentence each; none where it can."""
    problems = []
    for dataset in (track.dataset, *track.datasets.values()):
        try:
            DATASETS.get(dataset.name)(dataset.settings)._key()  # finds the files, reads none of the pictures
        except FaceleakError as error:
            problems.append(str(error))
    used = {alias for target in track.targets for alias in (target.recognizer, *target.judges, target.surrogate)}
    for alias in sorted(filter(None, used)):
        try:
            spec = track.recognizers[alias]
            RECOGNIZERS.get(spec.type)(spec.settings)
            if reason := problem(spec.settings, alias):
                problems.append(f"recognizer {alias}: {reason}")
        except FaceleakError as error:
            problems.append(f"recognizer {alias}: {error}")
    return problems


def _data(track: Track) -> Iterator[Finding]:
    """What the track's data set holds, before a picture is decoded; why it cannot be read stands with the track."""
    for name, dataset in ((track.dataset.name, track.dataset), *track.datasets.items()):
        try:
            seen = DATASETS.get(dataset.name)(dataset.settings).seen()
        except FaceleakError:
            continue
        yield Finding(f"data set {name}", "note" if seen.passed else "ok", seen.sentence())


def _track(track: Track) -> Finding:
    problems = track_problems(track)
    if not problems:
        return Finding(f"track {track.name}", "ok", track.expected or "can run")
    more = f" (and {len(problems) - 1} more: faceleak doctor {track.called})" if len(problems) > 1 else ""
    return Finding(f"track {track.name}", "missing", f"{problems[0]}{more}{_remedy(track)}")


def _remedy(track: Track) -> str:
    """The one command that gets what a track lacks, as far as there is one."""
    if track.dataset.name != "lfw":
        return ""
    others = [f"data set {name}" for name, dataset in track.datasets.items() if dataset.name != "lfw"]
    got = {Path(file).name for part in SETS["lfw"] for file in (*part.makes, part.instead)}
    for alias, spec in track.recognizers.items():
        paths = [str(one["path"]) for one in with_members(spec.settings) if "path" in one]
        others += [f"recognizer {alias} ({path})" for path in paths if Path(path).name not in got and ":" not in path]
    but = f", but for {', '.join(others)}: docs/real-data.md" if others else ""
    return f" {PREPARE} gets all that the track needs{but}."


def _machine() -> Iterator[Finding]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    seen = environment(device)
    yield Finding("faceleak", "ok", f"{seen['faceleak']}, commit {seen['code_sha'][:12] or 'unknown'}")
    yield Finding("python", "ok", f"{seen['python']}, torch {seen['torch']}")
    yield Finding("device", "ok", f"{seen['device']}, {seen['cores']} cores")
    for package, version in seen["versions"].items():
        if version == "absent":
            yield _absent(package)
    root = default_root()
    place = next(parent for parent in (root, *root.absolute().parents) if parent.exists())
    free = shutil.disk_usage(place).free / 2**30
    state = "ok" if free > 5 else "note"
    yield Finding("store", state, f"{root}, {free:.0f} GiB free" + ("" if free > 5 else "; a full track needs about 5"))


def _absent(package: str) -> Finding:
    """Of an extra: only who uses it needs it."""
    extra = next((extra for name, extra in EXTRAS.values() if name == package), "")
    if extra:
        return Finding(package, "note", f"not installed; pip install 'faceleak[{extra}]' where it is used")
    return Finding(package, "missing", f"not installed; pip install {package}")


def _folders() -> Iterator[Finding]:
    for name, holds in _FOLDERS.items():
        value = os.environ.get(name)
        if not value:
            yield Finding(name, "note", f"not set; it names the folder with {holds}")
        elif not Path(value).expanduser().is_dir():
            yield Finding(name, "missing", f"{value} is no folder; it should hold {holds}")
        else:
            yield Finding(name, "ok", value)


def _backbones() -> Iterator[Finding]:
    for name, make, weights in (("LPIPS", lambda: Lpips("alex"), "lpips-alex"), ("FID", Fid, "fid-inception")):
        try:
            make()
            yield Finding(name, "ok", "backbone found")
        except MetricUnavailable as error:
            yield Finding(name, "note", f"its rows will be absent: {error.reason}; or `faceleak fetch {weights}`")


def _packs() -> Finding:
    folder = Path.home() / ".insightface" / "models"
    packs = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if packs:
        return Finding("insightface packs", "ok", ", ".join(packs))
    return Finding("insightface packs", "note", f"none in {folder}; `faceleak fetch buffalo_l` gets one")
