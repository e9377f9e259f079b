"""``faceleak prepare``: a data pack from public origins, part by part; what is there is not made again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ...datasets.alignment import LANDMARKS, CropFinder
from ...datasets.yunet import YunetFinder
from ..core.errors import FaceleakError, InputError
from ..core.extras import need
from ..core.progress import Progress
from ..core.registry import nearest
from ..zoo.packs import has_pack
from . import lfw, networks
from .fetch import fetch, target
from .origins import ARTEFACTS, Artefact

Maker = Callable[[Path, Progress], None]


@dataclass(frozen=True)
class Part:
    """One thing that a pack holds.

    Args:
        name: what the user leaves it out by.
        what: what it is for, in a few words.
        needs: names of the artefacts that it is made of.
        makes: files below the pack's folder that are there once it is made; empty: its artefacts themselves.
        make: makes them, given the folder; None where fetching is all.
        extra: module that making it takes; empty where none.
        instead: file below the pack's folder that serves as well, from another pack; empty where none.
        elsewhere: an insightface pack that serves as well wherever it lies.
    """

    name: str
    what: str
    needs: tuple[str, ...]
    makes: tuple[str, ...] = ()
    make: Maker | None = None
    extra: str = ""
    instead: str = ""
    elsewhere: str = ""

    def done(self, root: Path) -> bool:
        """Whether nothing is left to do for it."""
        files = [root / file for file in self.makes] or [place(ARTEFACTS[name], root) for name in self.needs]
        other = bool(self.instead and (root / self.instead).exists())
        return other or all(file.exists() for file in files) or bool(self.elsewhere and has_pack(self.elsewhere))


def place(artefact: Artefact, root: Path) -> Path:
    """The file or folder that an artefact is as a part of the pack at ``root``."""
    return target(artefact, root / artefact.inside)


def _faces(root: Path, progress: Progress) -> None:
    if not (root / _POINTS).exists():
        _landmarks(root, progress)
    origin = lfw.Origin(place(ARTEFACTS["lfw-photographs"], root), place(ARTEFACTS["lfw-pairs"], root))
    points = CropFinder(str(root / _POINTS), "prepare lfw")
    finder = YunetFinder(place(ARTEFACTS["yunet"], root), "prepare lfw", central=True, landmarks=points)
    lost = lfw.make_faces(origin, finder, root / "faces", progress)
    progress.say(f"In {lost} photographs no face was found: their crops are cut from the middle.")


def _network(make: Callable[[Path, Path, Path], None], graph: str, weights: str, file: str) -> Maker:
    """A maker of one network's file from two artefacts."""
    return lambda root, progress: make(place(ARTEFACTS[graph], root), place(ARTEFACTS[weights], root), root / file)


_RETAIL, _DLIB, _POINTS = "recognizers/retail0095.onnx", "recognizers/dlib_resnet.onnx", f"aux/{LANDMARKS}"
_landmarks = _network(networks.make_landmarks5, "landmarks5-graph", "landmarks5-weights", _POINTS)
_FACES = tuple(f"faces/{name}" for name in (*lfw.ZIPS, lfw.PAIRS, lfw.TABLE))
_LANDMARKS5 = Part("landmarks5", "five points of a face", ("landmarks5-graph", "landmarks5-weights"), (_POINTS,),
                   _landmarks, "onnx")  # fmt: skip
SETS: dict[str, tuple[Part, ...]] = {
    "lfw": (
        _LANDMARKS5,
        Part("faces", "LFW, aligned at 112x112", ("lfw-photographs", "lfw-pairs", "yunet", *_LANDMARKS5.needs), _FACES,
             _faces, "cv2"),
        Part("retail0095", "a recogniser", ("retail0095-graph", "retail0095-weights"), (_RETAIL,),
             _network(networks.make_retail0095, "retail0095-graph", "retail0095-weights", _RETAIL), "onnx"),
        Part("mobilefacenet", "a recogniser", ("buffalo_sc",), instead="recognizers/mobilefacenet.onnx",
             elsewhere="insightface:buffalo_sc"),
        Part("edgeface", "a recogniser", ("edgeface-xxs",), instead="recognizers/edgeface_xxs.safetensors"),
        Part("resnet-dlib", "a recogniser", ("dlib-graph", "dlib-weights"), (_DLIB,),
             _network(networks.make_dlib, "dlib-graph", "dlib-weights", _DLIB), "onnx"),
        Part("lpips", "the trunk of LPIPS", ("lpips-alex",)),
        Part("fid", "the network of FID and KID", ("fid-inception",)),
    ),
    # For photographs of one's own: dataset `folder` with align = "photographs".
    "photographs": (_LANDMARKS5, Part("detector", "a face detector", ("yunet",), extra="cv2")),
}  # fmt: skip


def missing(pack: str, root: Path, without: Sequence[str] = ()) -> list[Part]:
    """The parts of a pack that are still to be made at ``root``.

    Args:
        pack: name of the pack, a key of ``SETS``.
        root: its folder.
        without: names of parts that are not wanted.

    Raises:
        InputError: no such pack or part; the message names the closest one.
        MissingExtra: a package is needed that is not installed; said before anything is fetched.
    """
    if pack not in SETS:
        raise InputError(f"There is no pack {pack!r} to prepare; {nearest(pack, list(SETS))}")
    names = [part.name for part in SETS[pack]]
    for name in without:
        if name not in names:
            raise InputError(f"The pack {pack} has no part {name!r} (--without); {nearest(name, names)}")
    wanted = [part for part in SETS[pack] if part.name not in without and not part.done(root)]
    for part in wanted:
        if part.extra:
            need(part.extra, f"Preparing {part.name} (or leave it out: --without {part.name})")
    return wanted


def notices(parts: Sequence[Part], root: Path) -> str:
    """What the user is told before anything is downloaded: of each file that is not there its hosts and its terms."""
    lines: list[str] = []
    told: set[str] = set()
    for part in parts:
        lines.append(f"{part.name}: {part.what}")
        for one in (ARTEFACTS[name] for name in part.needs if name not in told):
            told.add(one.name)
            hosts = " or ".join(dict.fromkeys(urlsplit(url).netloc for url in one.urls))
            there = place(one, root).exists()
            lines.append(f"  {one.name} ({'is there' if there else f'from {hosts}'})")
            lines.append(f"    {one.licence}; terms: {one.terms}")
    return "\n".join(lines)


def prepare(parts: Sequence[Part], root: Path, progress: Progress) -> list[str]:
    """Fetch and make ``parts`` below ``root``; one that fails does not stop the others.

    Returns:
        The names of those that were made.

    Raises:
        InputError: some could not be had; each is named with its reason. What has come is kept.
    """
    made, reasons = [], []
    for part in parts:
        try:
            for name in part.needs:
                fetch(ARTEFACTS[name], root / ARTEFACTS[name].inside, progress)
            if part.make:
                (root / part.makes[0]).parent.mkdir(parents=True, exist_ok=True)
                part.make(root, progress)
            made.append(part.name)
        except FaceleakError as error:
            reasons.append(f"{part.name}: {error}")
            progress.say(f"{part.name} is left for next time: {error}")
    if reasons:
        told = "".join(f"\n- {reason}" for reason in reasons)
        raise InputError(
            f"{len(reasons)} of {len(parts)} parts could not be had; what has come is kept in {root}, and the same "
            f"command goes on:{told}"
        )
    return made
