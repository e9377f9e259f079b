"""Stand-ins for all that ``faceleak prepare lfw`` gets from the world, on a loopback server."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from faceleak.bench.pack.origins import ARTEFACTS
from faceleak.datasets.alignment import TEMPLATE
from foreign import dlib_files, ir_network, ir_points, write_yunet
from packs import discs, write_pack
from PIL import Image
from serving import Server

FACELESS = "Person_00/Person_00_0002.jpg"  # the photograph in which nobody is found


def photograph(person: int, number: int, size: int = 250) -> Image.Image:
    """Discs where a face has its points, in front of a colour that is the person's."""
    rng = np.random.default_rng((person, 99))
    back = rng.integers(30, 120, 3)
    back[1] = min(back[0], back[2])  # nothing green, or the detector sees a face in it
    shift = np.random.default_rng((person, number)).integers(-1, 2, 2) * 8
    # The detector's stand-in counts in cells of eight pixels.
    points = TEMPLATE - TEMPLATE[1] + np.array([144, 104]) + shift + 3.5
    face = np.asarray(discs(points, (size, size), radius=4)).astype(int)
    marks = np.random.default_rng((person, 7)).integers(0, 60, (4, 4, 1)).repeat(3, 2)  # of the person, around the face
    marks[..., 1] = 0
    around = np.kron(marks, np.ones((size // 4 + 1, size // 4 + 1, 1)))[:size, :size]
    return Image.fromarray(np.clip(np.where(face.any(-1, keepdims=True), face, back + around), 0, 255).astype(np.uint8))


def lfw_files(folds: int, people: int, images: int, others: int = 1) -> tuple[bytes, bytes]:
    """``lfw.tgz`` and ``pairs.txt``: each fold has ``people`` of its own, in as many genuine and impostor pairs.

    Args:
        folds: how many.
        people: of each fold.
        images: of each person; all but the last stand in pairs.
        others: people who stand in no pair.
    """
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tape:
        for person in range(folds * people + others):
            for number in range(1, images + 1):
                name = f"Person_{person:02d}/Person_{person:02d}_{number:04d}.jpg"
                picture = Image.new("RGB", (250, 250), (60, 60, 60)) if name == FACELESS else photograph(person, number)
                encoded = io.BytesIO()
                picture.save(encoded, "JPEG", quality=95)
                info = tarfile.TarInfo(f"lfw/{name}")
                info.size = encoded.tell()
                tape.addfile(info, io.BytesIO(encoded.getvalue()))
    lines = [f"{folds}\t{people}"]
    for fold in range(folds):
        names = [f"Person_{fold * people + one:02d}" for one in range(people)]
        lines += [f"{name}\t1\t{max(2, images - 1)}" for name in names]
        lines += [f"{name}\t1\t{other}\t1" for name, other in zip(names, names[1:] + names[:1])]
    return file.getvalue(), ("\n".join(lines) + "\n").encode()


def _zipped(folder: Path) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return file.getvalue()


def publish(
    server: Server, monkeypatch: pytest.MonkeyPatch, work: Path, lfw: tuple[bytes, bytes], edgeface: bytes = b"weights"
) -> None:
    """Serve every file that the pack is made of, and let the table of origins name this server.

    Args:
        server: serves them.
        monkeypatch: puts the table back afterwards.
        work: where the files are made.
        lfw: photographs and pairs.
        edgeface: the checkpoint.
    """
    pack = write_pack(work / "pack")
    for unused in ("genderage.onnx", "1k3d68.onnx"):
        (pack / unused).unlink()
    retail, points, dlib = ir_network(work / "r", 128, 32), ir_points(work / "p"), dlib_files(work / "d")
    files = {
        "lfw-photographs": lfw[0], "lfw-pairs": lfw[1], "edgeface-xxs": edgeface, "buffalo_sc": _zipped(pack),
        "yunet": write_yunet(work / "yunet.onnx").read_bytes(), "lpips-alex": b"trunk", "fid-inception": b"network",
        "retail0095-graph": retail[0].read_bytes(), "retail0095-weights": retail[1].read_bytes(),
        "landmarks5-graph": points[0].read_bytes(), "landmarks5-weights": points[1].read_bytes(),
        "dlib-graph": dlib[0].read_bytes(), "dlib-weights": dlib[1].read_bytes(),
    }  # fmt: skip
    for name, data in files.items():
        server.files[f"/{name}"] = data
        there = {"urls": (server.address(f"/{name}"),), "digest": hashlib.sha256(data).hexdigest()}
        monkeypatch.setitem(ARTEFACTS, name, ARTEFACTS[name].model_copy(update=there))
