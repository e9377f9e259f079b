"""What ``faceleak fetch`` knows how to get: where it lies, its terms, and the sha256 that it must have."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import InputError
from ..core.registry import nearest


@dataclass(frozen=True)
class Artefact:
    """One file of somebody else's.

    Args:
        name: what the user types.
        what: what it is for, in a few words.
        url: where it is published.
        file: its name there.
        sha256: of the file in hexadecimal, whole or its leading digits; empty where none is known.
        licence: in a sentence, shown before anything is downloaded.
        terms: address of the full terms.
        place: folder that it goes to, with ``${VARIABLES}`` and ``~``.
        folder: name of the folder below ``place`` that the archive is unpacked into; empty: a file, kept as it is.
    """

    name: str
    what: str
    url: str
    file: str
    sha256: str
    licence: str
    terms: str
    place: str
    folder: str = ""


def _pack(name: str, sha256: str, what: str) -> Artefact:
    # insightface publishes no digests; these are what the release of 2022 has been serving.
    return Artefact(
        name,
        f"insightface pack: {what}",
        f"https://github.com/deepinsight/insightface/releases/download/v0.7/{name}.zip",
        f"{name}.zip",
        sha256,
        "the models are for non-commercial research only",
        "https://github.com/deepinsight/insightface/tree/master/model_zoo",
        "~/.insightface/models",
        name,
    )


def _trunk(name: str, file: str) -> Artefact:
    return Artefact(
        f"lpips-{name}",
        f"trunk of LPIPS ({name}), trained on ImageNet",
        f"https://download.pytorch.org/models/{file}",
        file,
        _digits(file),
        "torchvision is BSD-3-Clause; its weights may also stand under the terms of their training set, ImageNet",
        "https://github.com/pytorch/vision#pre-trained-model-license",
        "${FACELEAK_WEIGHTS}",
    )


def _digits(file: str) -> str:
    """The leading digits of a sha256 that torch's file names end in: ``net-7be5be79.pth``."""
    return file.rsplit("-", 1)[1].split(".")[0]


_INCEPTION = "pt_inception-2015-12-05-6726825d.pth"
_LFW_TERMS = "http://vis-www.cs.umass.edu/lfw/"

ARTEFACTS: dict[str, Artefact] = {
    artefact.name: artefact
    for artefact in (
        _pack(
            "buffalo_l",
            "80ffe37d8a5940d59a7384c201a2a38d4741f2f3c51eef46ebb28218a7b0ca2f",
            "detector 10 GF, recogniser ResNet-50 on WebFace600K",
        ),
        _pack(
            "buffalo_m",
            "d98264bd8f2dc75cbc2ddce2a14e636e02bb857b3051c234b737bf3b614edca9",
            "detector 2.5 GF, recogniser ResNet-50 on WebFace600K",
        ),
        _pack(
            "buffalo_s",
            "d85a87f503f691807cd8bb97128bdf7a0660326cd9cd02657127fa978bab8b5e",
            "detector 500 MF, recogniser MobileFaceNet on WebFace600K",
        ),
        _pack(
            "buffalo_sc",
            "57d31b56b6ffa911c8a73cfc1707c73cab76efe7f13b675a05223bf42de47c72",
            "as buffalo_s, detector and recogniser only",
        ),
        _pack(
            "antelopev2",
            "8e182f14fc6e80b3bfa375b33eb6cff7ee05d8ef7633e738d1c89021dcf0c5c5",
            "detector 10 GF, recogniser ResNet-100 on Glint360K",
        ),
        _trunk("alex", "alexnet-owt-7be5be79.pth"),
        _trunk("vgg", "vgg16-397923af.pth"),
        _trunk("squeeze", "squeezenet1_1-b8a52dc0.pth"),
        Artefact(
            "fid-inception",
            "Inception of FID and KID, as pytorch-fid publishes it",
            f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{_INCEPTION}",
            _INCEPTION,
            _digits(_INCEPTION),
            "pytorch-fid is Apache-2.0; the weights were ported from TensorFlow's Inception of 2015-12-05",
            "https://github.com/mseitzer/pytorch-fid/blob/master/LICENSE",
            "${FACELEAK_WEIGHTS}",
        ),
        Artefact(
            "lfw-photographs",
            "LFW's 13,233 photographs, not aligned: dataset 'folder' with align = 'photographs'",
            "https://ndownloader.figshare.com/files/5976018",  # the copy that scikit-learn reads, with its digest
            "lfw.tgz",
            "055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0",
            "for research; copyright with the news agencies, without the consent of the persons",
            _LFW_TERMS,
            "${FACELEAK_DATA}",
            "lfw-photographs",
        ),
        Artefact(
            "lfw-pairs",
            "LFW's official pairs (View 2), for the setting 'pairs' of dataset 'folder'",
            "https://ndownloader.figshare.com/files/5976006",
            "pairs.txt",
            "ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592",
            "for research, as LFW's photographs",
            _LFW_TERMS,
            "${FACELEAK_DATA}",
        ),
    )
}


def artefact(name: str) -> Artefact:
    """The artefact called ``name``.

    Raises:
        InputError: unknown; the message names the closest known name.
    """
    if name not in ARTEFACTS:
        raise InputError(f"Nothing called {name!r} can be fetched; {nearest(name, list(ARTEFACTS))}")
    return ARTEFACTS[name]
