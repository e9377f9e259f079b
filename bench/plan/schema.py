"""What a track file holds: the models behind its tables, each key with its range."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from ...datasets.splits import SPLITS, SplitSpec
from ..core.ranges import FolderName, Rate, Rates, Seed, Seeds, once
from ..core.surfaces import Surface
from ..core.threat import DefenseKnowledge
from ..record.words import UTILITY_LOSS


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
    trained_on: str = ""  # the set that it learnt from, where that is known; judges of the target's are marked
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


class OverlapSpec(_Strict):
    """Who measures whether people of one data set stand in another, under another name or none."""

    recognizer: str  # of the track, with weights of its own; empty: nobody, and every result says so
    cosine: float = Field(0.45, gt=-1, lt=1)  # of the mean embeddings of two people: alike from here on
    on_overlap: Literal["refuse", "drop"] = "refuse"  # drop: who is alike is left out of public and train


class TestSpec(_Strict):
    """A set of pairs on which systems are tested: `lfw.bin`, `cfp_fp.bin`, a folder with a pairs list."""

    __test__ = False  # not a test of ours
    dataset: str  # one of `[datasets]`, which has pairs of its own
    label: str = ""
    flip: bool = True  # the embedding of a picture is the mean of it and its mirror image, as insightface tests

    @property
    def title(self) -> str:
        """What rows call it."""
        return self.label or self.dataset


class DistractorsSpec(_Strict):
    """Further people beside the victims in the gallery in which recoveries are searched."""

    dataset: str  # one of `[datasets]`, of no split: one picture of each of its people
    sizes: tuple[int, ...] = Field(min_length=1)  # how many, ascending; each gallery is the beginning of the next
    fpirs: Rates = (0.01, 0.001)  # rates of false positive searches at which misses are counted

    @field_validator("sizes")
    @classmethod
    def _ascend(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if sizes[0] < 1 or list(sizes) != sorted(set(sizes)):
            raise ValueError("sizes must ascend, from 1 on")
        return sizes


class GallerySpec(_Strict):
    """Where recoveries are searched, beyond the victims' own gallery."""

    distractors: DistractorsSpec


class SplitsSpec(_Strict):
    """The four splits."""

    seed: Seed = 0
    on_duplicate: Literal["refuse", "drop"] = "refuse"
    overlap: OverlapSpec | None = None  # wherever a split is of another data set
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
    random_vectors: int = Field(0, ge=0)  # made up templates that each attack on templates is fed: a baseline of rank-k
    # What a defence's use is: that the system still verifies, or (tracks of published pictures) that the picture is
    # kept and its person is not.
    measures: Literal["verification", "publication"] = "verification"
    measure: tuple[str, ...] = ("*",)  # which measurements are made, by name
    published_victims: int = Field(60, ge=2)  # publication only: how many people publish pictures
    unlinkability_keys: int = Field(10, ge=2)
    utility_loss: float = Field(UTILITY_LOSS, ge=0, le=1)  # matched utility: accuracy lost at most
    least_epochs: float = Field(5.0, ge=0, le=1e6)  # of each network of a defence; fewer: no verdict
    pictures: int = Field(6, ge=0)
    # What a seed moves besides what defences and attacks draw; seed 0 is always the track as it is without.
    seed_moves: Annotated[tuple[Literal["recognizers", "splits"], ...], AfterValidator(once)] = ()


class Track(_Strict):
    """One benchmark."""

    name: FolderName = ""
    title: str = ""
    expected: str = ""  # machine and time
    seeds: Seeds = (0,)
    dataset: Named  # the victims', and of all splits that name no other
    datasets: dict[str, Named] = {}  # further ones, by the names that splits and tests call them
    splits: SplitsSpec
    tests: tuple[TestSpec, ...] = ()
    gallery: GallerySpec | None = None
    protocol: Protocol = Field(default_factory=lambda: Protocol.model_validate({}))
    recognizers: dict[str, RecognizerSpec]
    targets: tuple[TargetSpec, ...] = Field(min_length=1)
    defenses: tuple[DefenseSpec, ...] = Field(min_length=1)
    attacks: tuple[AttackSpec, ...]
    _called: str = PrivateAttr("")

    def used_datasets(self) -> dict[str, Named]:
        """The further data sets that a split is taken from, that test, or whose people fill the gallery."""
        asked = {spec.dataset for spec in self.splits.by_name().values()} | {test.dataset for test in self.tests}
        asked |= {self.gallery.distractors.dataset} if self.gallery else set()
        return {name: spec for name, spec in self.datasets.items() if name in asked}

    @property
    def called(self) -> str:
        """What the command line calls it: its name, or the path of its file as it was given."""
        return self._called or self.name
