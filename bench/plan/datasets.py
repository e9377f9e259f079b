"""Several data sets in one track: which parts may be whose, and that somebody looks whether they share people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..core.errors import TrackError
from ..core.registry import RECOGNIZERS, nearest
from .schema import Track

OWN = ("calibration", "victims")  # always of the track's own set: thresholds hold for the set that they are set on


def check_datasets(track: Track, file: Path) -> None:
    """Refuse data sets that nobody has named, roles that cannot be parted, and overlaps that nobody measures.

    Raises:
        TrackError: ``file`` begins the message.
    """
    for problem in (*_named(track), *_roles(track), *_overlap(track)):
        raise TrackError(f"{file}: {problem}")


def _named(track: Track) -> Iterator[str]:
    asked = {f"split {name!r}": spec.dataset for name, spec in track.splits.by_name().items() if spec.dataset}
    asked |= {f"test {test.title!r}": test.dataset for test in track.tests}
    if track.gallery:
        asked["gallery.distractors"] = track.gallery.distractors.dataset
    for who, name in asked.items():
        if name not in track.datasets:
            yield f"{who}: no data set is called {name!r}; {nearest(name, list(track.datasets))}"
    for name in track.datasets:
        if name not in asked.values():
            yield f"data set {name!r} is used by no split, no test and no gallery; name it there, or leave it out."
        if "/" in name:
            yield f"data set {name!r}: a name without a slash is needed, it stands in front of its people."
    titles = [test.title for test in track.tests]
    if twice := sorted({title for title in titles if titles.count(title) > 1}):
        yield f"tests {twice} occur twice; give each a label of its own."


def _roles(track: Track) -> Iterator[str]:
    for name in OWN:
        if getattr(track.splits, name).dataset:
            yield (
                f"split {name!r} is of the track's own data set, [dataset]: thresholds hold for the set that they are "
                "set on. Name another one for train or public."
            )
    train = track.splits.train
    for test in track.tests:
        if train and test.dataset == train.dataset:
            yield f"test {test.title!r} is of the set {test.dataset!r} that is trained on; test on another one."
    for name, spec in track.splits.by_name().items():
        if track.gallery and spec.dataset == track.gallery.distractors.dataset:
            yield f"gallery.distractors is of the set {spec.dataset!r} that split {name!r} is of; take another one."


def _overlap(track: Track) -> Iterator[str]:
    others = any(spec.dataset for spec in track.splits.by_name().values())
    several = others or track.gallery or (track.splits.train and track.tests)
    overlap = track.splits.overlap
    if overlap is None:
        if several:
            yield (
                "splits and tests are of several data sets, which may share people under other names; add "
                "[splits.overlap] with a recognizer that measures it, or an empty one, and results say that nobody did."
            )
        return
    if not overlap.recognizer:
        return
    if overlap.recognizer not in track.recognizers:
        known = nearest(overlap.recognizer, list(track.recognizers))
        yield f"no recognizer is called {overlap.recognizer!r} (overlap); {known}"
        return
    spec = track.recognizers[overlap.recognizer]
    if RECOGNIZERS.get(spec.type)(spec.settings).needs_training:
        yield (
            f"recognizer {overlap.recognizer!r} is trained on a split and cannot say who may stand in it (overlap); "
            "name one with weights of its own."
        )
