"""A track file (TOML) -> a validated ``Track``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from ...datasets.splits import SPLITS, SplitSpec
from ..core.errors import TrackError
from ..core.matching import matching
from ..core.ranges import Rate, Rates, Seed, Seeds
from ..core.registry import nearest
from ..core.surfaces import Surface
from ..core.threat import DefenseKnowledge
from ..record.words import UTILITY_LOSS
from .ensemble import REFEREE, STANDARD, StandardEnsemble
from .toml import tomllib

TRACKS = Path(__file__).parent.parent / "tracks"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Named(_Strict):
    """A plug-in by name with its settings."""

    name: str
    settings: dict[str, Any] = {}


class RecognizerSpec(_Strict):
    """A recogniser: which registered type, with which settings."""

    type: str
    settings: dict[str, Any] = {}
    reported_accuracy: float | None = Field(
        None, ge=0, le=1
    )  # ten-fold, on the set's official pairs; a known answer (flag F10)


class TargetSpec(_Strict):
    """An attacked recogniser and who judges."""

    recognizer: str
    judges: tuple[str, ...]  # independent ones; the attacked recogniser always judges too
    surrogate: str = ""  # the adversary's own public recogniser
    defenses: tuple[str, ...] = ("*",)  # labels of the defences run on this target


class DefenseSpec(_Strict):
    """A defence, or two composed."""

    name: str | tuple[str, str]
    label: str = ""
    settings: dict[str, Any] = {}
    surfaces: tuple[Surface, ...] = ()
    attacks: tuple[str, ...] = ("*",)

    @property
    def title(self) -> str:
        """What rows call it."""
        return self.label or (self.name if isinstance(self.name, str) else "+".join(self.name))


class AttackSpec(_Strict):
    """An attack with the knowledge it is run at."""

    name: str
    label: str = ""
    settings: dict[str, Any] = {}
    knowledge: tuple[DefenseKnowledge, ...] = ()  # empty: all that make sense
    surfaces: tuple[Surface, ...] = ()
    pairs: int | None = Field(None, ge=1)
    queries: int | None = Field(None, ge=0)
    part: float = Field(1.0, gt=0, le=1)  # share of the coordinates of a leaked vector that got out
    members: tuple[str, ...] = ()  # standard-ensemble only: labels of this track's attacks; empty: the standard ones
    views: int = Field(1, ge=1)  # leaks of each victim
    views_of: Literal["photograph", "person"] = "photograph"  # one under fresh sample secrets, or another for each view
    views_joined: Literal["recoveries", "leaks"] = "recoveries"  # what is put together, see bench/isolation/views.py
    victims: int | None = Field(None, ge=2)  # only the first so many: what optimises each victim takes minutes apiece

    @property
    def title(self) -> str:
        """What rows call it."""
        views = f" ({self.views} views)" if self.views > 1 else ""
        return self.label or self.name + views

    @property
    def fit_title(self) -> str:
        """What its fit is known by: more views change what is held of the victims, not what is learnt before."""
        return self.label or self.name

    @property
    def limited(self) -> bool:
        """Whether it is one point of a curve: fewer pairs, queries or coordinates than there are, or more views."""
        return (self.pairs, self.queries, self.part, self.views) != (None, None, 1.0, 1)


class SplitsSpec(_Strict):
    """The four splits."""

    seed: Seed = 0
    on_duplicate: Literal["refuse", "drop"] = "refuse"
    train: SplitSpec | None = None
    public: SplitSpec
    calibration: SplitSpec
    victims: SplitSpec

    def by_name(self) -> dict[str, SplitSpec]:
        """Those that are declared, in the order in which identities are taken."""
        return {name: getattr(self, name) for name in SPLITS if getattr(self, name) is not None}


class Protocol(_Strict):
    """The rules of measurement; every constant of the protocol has its home here."""

    version: str = "1"
    fmrs: Rates = (0.1, 0.01, 0.001)
    headline_fmr: Rate = 0.01
    leaks_per_identity: int = Field(1, ge=1)
    draws: int = Field(5, ge=1)  # presentations of a leak that depends on sample secrets
    selection_victims: int = Field(64, ge=0)  # calibration identities on which the strongest attack is chosen
    resolution: int = Field(64, ge=16, le=4096)  # side in pixels of recovered images
    verification_pairs: int = Field(3000, ge=20)  # of the ten-fold accuracy, half genuine
    official_pairs: bool = True  # measure accuracy on the set's own pairs where it has them
    bootstrap: int = Field(2000, ge=100)
    level: float = Field(0.95, gt=0, lt=1)
    # Recognisers at hand of whoever protects pictures before publishing them; only the other ones judge in earnest.
    protectors: tuple[str, ...] = ()
    # What a defence's use is: that the system still verifies, or (tracks of published pictures) that the picture is
    # kept and its person is not.
    measures: Literal["verification", "publication"] = "verification"
    measure: tuple[str, ...] = ("*",)  # which measurements are made, by name
    published_victims: int = Field(60, ge=2)  # publication only: how many people publish pictures
    unlinkability_keys: int = Field(10, ge=2)
    utility_loss: float = Field(UTILITY_LOSS, ge=0, le=1)  # matched utility: accuracy lost at most
    least_epochs: float = Field(5.0, ge=0, le=1e6)  # of each network of a defence; fewer: no verdict
    pictures: int = Field(6, ge=0)


class Track(_Strict):
    """One benchmark."""

    name: str = ""
    title: str = ""
    expected: str = ""  # machine and time
    seeds: Seeds = (0,)
    dataset: Named
    splits: SplitsSpec
    protocol: Protocol = Field(default_factory=lambda: Protocol.model_validate({}))
    recognizers: dict[str, RecognizerSpec]
    targets: tuple[TargetSpec, ...] = Field(min_length=1)
    defenses: tuple[DefenseSpec, ...] = Field(min_length=1)
    attacks: tuple[AttackSpec, ...]
    _called: str = PrivateAttr("")

    @property
    def called(self) -> str:
        """What the command line calls it: its name, or the path of its file as it was given."""
        return self._called or self.name


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
        values = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise TrackError(f"{file} is not valid TOML: {error}.") from error
    except UnicodeDecodeError as error:
        raise TrackError(f"{file} is no UTF-8 text ({error.reason}); save it as UTF-8.") from error
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
        "protocol": list(Protocol.model_fields),
        "recognizers": list(RecognizerSpec.model_fields),
        "targets": list(TargetSpec.model_fields),
        "defenses": list(DefenseSpec.model_fields),
        "attacks": list(AttackSpec.model_fields),
    }
    if not location:
        return list(Track.model_fields)
    if location[0] == "splits":
        return list(SplitsSpec.model_fields) if len(location) == 1 else list(SplitSpec.__dataclass_fields__)
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
    for alias in track.protocol.protectors:
        if alias not in known:
            raise TrackError(f"{file}: no recognizer is called {alias!r} (protectors); {nearest(alias, known)}")
    for split in ("calibration", "victims"):  # both are compared: with themselves and with others
        spec = getattr(track.splits, split)
        if spec.identities == 1 or spec.images == 1 or spec.max_images in (1, 2):
            raise TrackError(f"{file}: split {split!r} needs at least 2 identities with 2 images each, got {spec}.")
    if (headline := track.protocol.headline_fmr) not in track.protocol.fmrs:
        raise TrackError(f"{file}: headline_fmr {headline} is not one of fmrs {track.protocol.fmrs}.")
    for kind, specs in (("defenses", track.defenses), ("attacks", track.attacks)):
        titles = [spec.title for spec in specs]
        twice = {title for title in titles if titles.count(title) > 1}
        if twice:
            raise TrackError(f"{file}: {kind} {sorted(twice)} occur twice; give each a label of its own.")
    for entry in track.attacks:
        _check_ensemble(entry, track, file)


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
