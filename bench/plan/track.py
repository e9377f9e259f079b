"""A track file (TOML) -> a validated ``Track``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...datasets.splits import SplitSpec
from ..core.errors import TrackError
from ..core.matching import matching
from ..core.registry import nearest
from .datasets import check_datasets
from .ensemble import REFEREE, STANDARD, StandardEnsemble
from .portable import placed, with_members
from .schema import AttackSpec as AttackSpec
from .schema import DefenseSpec as DefenseSpec
from .schema import DistractorsSpec as DistractorsSpec
from .schema import GallerySpec as GallerySpec
from .schema import Named as Named
from .schema import OverlapSpec as OverlapSpec
from .schema import Protocol as Protocol
from .schema import RecognizerSpec as RecognizerSpec
from .schema import SplitsSpec as SplitsSpec
from .schema import TargetSpec as TargetSpec
from .schema import TestSpec as TestSpec
from .schema import Track as Track
from .toml import loads, tomllib

TRACKS = Path(__file__).parent.parent / "tracks"


def load_track(name: str, folder: Path = TRACKS) -> Track:
    """Read a track by name or by path.

    Raises:
        TrackError: no such track, not TOML, an unknown key or a wrong value; the message names the nearest valid key.
    """
    file = Path(name) if name.endswith(".toml") else folder / f"{name}.toml"
    if not file.is_file():
        known = sorted(path.stem for path in folder.glob("*.toml"))
        raise TrackError(f"No track {name!r} ({file} does not exist); {nearest(name, known)}")
    try:
        values = loads(file.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise TrackError(f"{file} is not valid TOML: {error}.") from error
    except UnicodeDecodeError as error:
        raise TrackError(f"{file} is no UTF-8 text ({error.reason}); save it as UTF-8.") from error
    if "recognizers" in values:
        values["recognizers"] = placed(values["recognizers"], file)
    try:
        track = Track.model_validate({"name": file.stem, **values})
    except ValidationError as error:
        raise TrackError(f"{file}: {_explain(error, values)}") from error
    check_names(track, file)
    track._called = name
    return track


def with_seeds(track: Track, seeds: Sequence[int]) -> Track:
    """The track with other seeds than its own.

    Raises:
        TrackError: none, twice, or out of range.
    """
    try:
        other = Track.model_validate(track.model_dump() | {"seeds": tuple(seeds)})
    except ValidationError as error:
        raise TrackError(f"--seeds: {_explain(error, {})}") from error
    other._called = track.called
    return other


def _explain(error: ValidationError, values: Any) -> str:
    # A misspelt key also leaves a key missing; the misspelling is what helps.
    unknown = ("extra_forbidden", "unexpected_keyword_argument")
    first = min(error.errors(), key=lambda one: one["type"] not in unknown)
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] in unknown:
        model = _model_at(first["loc"][:-1])
        return f"unknown key {place!r}; {nearest(str(first['loc'][-1]), model)}"
    if first["type"] == "missing":
        return f"key {place!r} is missing."
    return f"{place} = {first['input']!r}: {first['msg']}."


def _model_at(location: tuple[int | str, ...]) -> list[str]:
    """Valid keys at a place of the track."""
    tables: dict[str, list[str]] = {
        "dataset": list(Named.model_fields),
        "tests": list(TestSpec.model_fields),
        "protocol": list(Protocol.model_fields),
        "recognizers": list(RecognizerSpec.model_fields),
        "targets": list(TargetSpec.model_fields),
        "defenses": list(DefenseSpec.model_fields),
        "attacks": list(AttackSpec.model_fields),
    }
    if not location:
        return list(Track.model_fields)
    if location[0] == "splits":
        if len(location) == 1:
            return list(SplitsSpec.model_fields)
        return list(OverlapSpec.model_fields if location[1] == "overlap" else SplitSpec.__dataclass_fields__)
    if location[0] == "gallery":
        return list((GallerySpec if len(location) == 1 else DistractorsSpec).model_fields)
    if location[0] == "datasets":
        return list(Named.model_fields)
    return tables.get(str(location[0]), [])


def check_names(track: Track, file: Path) -> None:
    """Refuse entries that do not fit together: unknown aliases, a judge that is attacked, two of one title.

    Raises:
        TrackError: ``file`` begins the message.
    """
    known = list(track.recognizers)
    for target in track.targets:
        for alias in (target.recognizer, *target.judges, *([target.surrogate] if target.surrogate else [])):
            if alias not in known:
                raise TrackError(f"{file}: no recognizer is called {alias!r}; {nearest(alias, known)}")
        if target.recognizer in target.judges or (target.surrogate and target.surrogate in target.judges):
            raise TrackError(
                f"{file}: target {target.recognizer!r}: its judges {list(target.judges)} must hold neither itself nor "
                "the surrogate; a judge is a recogniser that no attack saw."
            )
        seen = _files(track.recognizers[target.surrogate]) if target.surrogate else frozenset()
        for alias in target.judges:
            if shared := seen & _files(track.recognizers[alias]):
                raise TrackError(
                    f"{file}: target {target.recognizer!r}: judge {alias!r} and surrogate {target.surrogate!r} are of "
                    f"one file, {min(shared)}; a judge is a recogniser that no attack saw."
                )
    for alias in track.protocol.protectors:
        if alias not in known:
            raise TrackError(f"{file}: no recognizer is called {alias!r} (protectors); {nearest(alias, known)}")
    for split in ("calibration", "victims"):  # both are compared: with themselves and with others
        spec = getattr(track.splits, split)
        if spec.identities == 1 or spec.images == 1 or spec.max_images in (1, 2):
            got = ", ".join(f"{name} = {getattr(spec, name)}" for name in ("identities", "images", "max_images"))
            raise TrackError(f"{file}: split {split!r} needs at least 2 identities with 2 images each, got {got}.")
    check_datasets(track, file)
    if (headline := track.protocol.headline_fmr) not in track.protocol.fmrs:
        raise TrackError(f"{file}: headline_fmr {headline} is not one of fmrs {track.protocol.fmrs}.")
    for kind, specs in (("defenses", track.defenses), ("attacks", track.attacks)):
        titles = [spec.title for spec in specs]
        twice = {title for title in titles if titles.count(title) > 1}
        if twice:
            raise TrackError(f"{file}: {kind} {sorted(twice)} occur twice; give each a label of its own.")
    for entry in track.attacks:
        _check_ensemble(entry, track, file)


def _files(spec: RecognizerSpec) -> frozenset[str]:
    """The files of weights that a recogniser reads, by the names in the track; several where it is several."""
    return frozenset(str(one["path"]) for one in with_members(spec.settings) if one.get("path"))


def members_of(ensemble: AttackSpec, attacks: Sequence[AttackSpec]) -> list[AttackSpec]:
    """Those of a track's attacks that are run by ``ensemble``: the ones it names and what tells who leaked, else the
    standard ones in full."""
    titled = matching(ensemble.members, {entry.title for entry in attacks})

    def wanted(entry: AttackSpec) -> bool:
        standard = entry.name in STANDARD and not entry.limited
        if not ensemble.members:
            return standard
        return entry.title in titled or (standard and entry.name == REFEREE)

    return [entry for entry in attacks if entry.name != StandardEnsemble.name and wanted(entry)]


def _check_ensemble(entry: AttackSpec, track: Track, file: Path) -> None:
    if entry.name != StandardEnsemble.name:
        if entry.members:
            raise TrackError(f"{file}: attack {entry.title!r} has members; only {StandardEnsemble.name} runs others.")
        return
    if entry.settings or entry.limited:
        raise TrackError(
            f"{file}: {entry.title!r} runs its members as the track has them; give settings, pairs, queries or part to "
            "the members."
        )
    titles = [one.title for one in track.attacks if one.name != StandardEnsemble.name]
    for pattern in entry.members:
        if not matching([pattern], titles):
            raise TrackError(f"{file}: {entry.title!r}: no attack is called {pattern!r}; {nearest(pattern, titles)}")
    if not members_of(entry, track.attacks):
        raise TrackError(f"{file}: {entry.title!r} has no member in this track; name some of {', '.join(STANDARD)}.")
