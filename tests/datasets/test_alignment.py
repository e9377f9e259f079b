"""Alignment: the transform against scikit-image, the finders on discs of five colours, a folder of photographs."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.progress import Progress
from faceleak.bench.store.store import Store
from faceleak.datasets.alignment import (
    TEMPLATE,
    CropFinder,
    PhotographFinder,
    align,
    inverse,
    moved,
    similarity,
    template,
    warp,
)
from faceleak.datasets.base import LoadContext
from faceleak.datasets.folder import FolderDataset
from faceleak.datasets.pictures import LeftOut
from listening import Said
from packs import COLORS, discs, write_detector, write_landmarks, write_pack
from PIL import Image
from skimage import transform


def placed(seed: int = 0, scale: float = 1.2, middle: tuple[int, int] = (100, 95)) -> np.ndarray:
    """The template turned, scaled and shifted, well inside a picture of twice the ``middle``."""
    turn = np.random.default_rng(seed).uniform(-0.3, 0.3)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return (TEMPLATE - TEMPLATE.mean(0)) @ matrix.T + np.array(middle)


def middles(face: np.ndarray) -> np.ndarray:
    """(5, 2) middles of the coloured discs in a (3, s, s) picture."""
    y, x = np.mgrid[: face.shape[1], : face.shape[2]]
    found = []
    for color in COLORS:
        wrong = np.abs(face.astype(int) - np.array(color)[:, None, None]).max(0)
        mask = wrong < 128
        found.append((x[mask].mean(), y[mask].mean()))
    return np.array(found)


@pytest.mark.parametrize("seed", range(5))
def test_the_transform_is_umeyama_s(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source, target = rng.normal(size=(2, 5, 2)) * 30 + 50
    reference = transform.SimilarityTransform()
    reference.estimate(source, target)
    assert np.allclose(similarity(source, target), reference.params[:2], atol=1e-9)
    assert np.allclose(moved(moved(source, reference.params[:2]), inverse(reference.params[:2])), source)


def test_points_on_one_another_are_refused() -> None:
    with pytest.raises(InputError, match="lie on one another"):
        similarity(np.ones((5, 2)), TEMPLATE)


def smooth(side: int = 320) -> Image.Image:
    small = np.random.default_rng(3).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def test_pixels_lie_where_scikit_image_puts_them() -> None:
    """A mistake of half a pixel would show tenfold."""
    picture = smooth()
    matrix = similarity(placed(scale=1.1, middle=(160, 160)), TEMPLATE)
    full = np.vstack([matrix, [0, 0, 1]])
    reference = transform.warp(np.asarray(picture) / 255, np.linalg.inv(full), output_shape=(112, 112), order=3)
    assert np.abs(np.asarray(warp(picture, matrix, 112)) / 255 - reference).max() < 0.02


def test_all_sizes_show_the_same() -> None:
    points = placed(scale=1.4, middle=(160, 160))
    large, small = align(smooth(), points, 112), align(smooth(), points, 56)
    halved = np.asarray(Image.fromarray(large.transpose(1, 2, 0)).reduce(2)).transpose(2, 0, 1)
    assert np.abs(halved.astype(int) - small)[:, 2:-2, 2:-2].max() <= 4
    assert np.array_equal(template(112), TEMPLATE)


def test_a_large_face_does_not_alias() -> None:
    checks = np.indices((600, 600)).sum(0) % 2 * 255
    picture = Image.fromarray(np.repeat(checks[..., None], 3, 2).astype(np.uint8))
    face = align(picture, (TEMPLATE + 1) * 5.1, 112)
    assert abs(face[:, 8:-8, 8:-8].astype(int) - 127).max() < 10


def test_a_crop_s_points_bring_the_face_to_the_template(tmp_path: Path) -> None:
    finder = CropFinder(str(write_landmarks(tmp_path / "landmarks.onnx")), "test")
    for seed in range(3):
        picture = discs(placed(seed), (200, 180))
        found = finder(picture)
        assert not isinstance(found, LeftOut)
        assert np.abs(found - placed(seed)).max() < 0.7
        assert np.abs(middles(align(picture, found, 112)) - TEMPLATE).max() < 0.7
    assert isinstance(finder(Image.new("RGB", (120, 120), (90, 90, 90))), LeftOut)


def test_a_photograph_s_points_are_the_detector_s(tmp_path: Path) -> None:
    finder = PhotographFinder(str(write_pack(tmp_path / "pack")), "test")
    cell = np.array([256, 120])
    found = finder(discs(TEMPLATE - TEMPLATE[1] + cell + 3.5, (640, 640), radius=3))
    assert not isinstance(found, LeftOut)
    assert np.allclose(found, TEMPLATE - TEMPLATE[1] + cell, atol=1e-3), "counted from the cell's corner"
    assert isinstance(finder(Image.new("RGB", (120, 120), (90, 90, 90))), LeftOut)


def encoded(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def fill(place: Path, faces: int, walls: int) -> Path:
    (place / "al").mkdir(parents=True)
    for number in range(faces):
        (place / "al" / f"al_{number:04d}.png").write_bytes(encoded(discs(placed(number), (200, 180))))
    for number in range(walls):
        wall = Image.new("RGB", (200, 180), (60, 60, 60 + number))
        (place / "al" / f"wall_{number:04d}.png").write_bytes(encoded(wall))
    return place


def load(tmp_path: Path, faces: Path, progress: Progress | None = None, **more: Any) -> FolderDataset:
    dataset = FolderDataset({"path": str(faces), "size": 112, "align": "crops", **more})
    dataset.load(LoadContext(Store(tmp_path / "store").get, progress or Progress()))
    return dataset


def test_a_folder_of_crops_is_aligned_and_walls_are_left_out(tmp_path: Path) -> None:
    model = str(write_landmarks(tmp_path / "landmarks.onnx"))
    said = Said()
    dataset = load(tmp_path, fill(tmp_path / "faces", 3, 2), said, landmarks=model)
    assert dataset.table["sample"].tolist() == [f"al/al_{number:04d}.png" for number in range(3)]
    assert dataset.left_out["sample"].tolist() == ["al/wall_0000.png", "al/wall_0001.png"]
    assert len(dataset.corrupt) == 0
    assert "2 of 5 pictures were left out (first al/wall_0000.png: no face was found)" in said.lines[0]
    assert dataset.caveats[-1] == "folder: 2 of 5 pictures were left out: no face was found."
    assert type(dataset).caveats == (), "another folder's results do not say it"
    for face in dataset.images(np.arange(3)):
        assert np.abs(middles((face * 255).numpy().astype(np.uint8)) - TEMPLATE).max() < 0.7
    again = Said()
    assert load(tmp_path, tmp_path / "faces", again, landmarks=model).sha == dataset.sha
    assert again.lines == said.lines, "said again when the pixels come from the cache"


def test_the_landmarks_of_a_folder_are_those_the_model_sees(tmp_path: Path) -> None:
    model, faces = str(write_landmarks(tmp_path / "landmarks.onnx")), fill(tmp_path / "faces", 3, 0)
    known = load(tmp_path, faces, landmarks=model).anatomy(np.array([2, 0]))
    assert known is not None
    assert known.landmarks.shape == (2, 5, 2)
    assert np.abs(known.landmarks.numpy() * 112 - 0.5 - TEMPLATE).max() < 0.7
    assert known.landmark_names[2] == "nose_tip"
    assert (known.parts, known.captions) == (None, None)
    assert FolderDataset({"path": str(faces)}).anatomy(np.array([0])) is None, "without a model nothing is known"
    gone = FolderDataset({"path": str(faces), "landmarks": str(tmp_path / "gone.onnx")})
    with pytest.raises(InputError, match=r"folder: a landmark model is needed, .* looked for at .*gone\.onnx"):
        gone.anatomy(np.array([0]))


def test_pairs_with_a_left_out_picture_go_too(tmp_path: Path) -> None:
    model = str(write_landmarks(tmp_path / "landmarks.onnx"))
    faces = fill(tmp_path / "faces", 2, 1)
    (faces / "al" / "wall_0000.png").rename(faces / "al" / "al_0002.png")
    (tmp_path / "pairs.txt").write_text("1 1\nal 0 1\nal 0 al 2\n")
    pairs = load(tmp_path, faces, landmarks=model, pairs=str(tmp_path / "pairs.txt")).pairs()
    assert pairs is not None
    assert pairs[["a", "b"]].to_numpy().tolist() == [["al/al_0000.png", "al/al_0001.png"]]


def test_mostly_walls_are_refused(tmp_path: Path) -> None:
    model = str(write_landmarks(tmp_path / "landmarks.onnx"))
    with pytest.raises(InputError, match=r"3 of 5 pictures were left out .*wall_0000.*setting align"):
        load(tmp_path, fill(tmp_path / "faces", 2, 3), landmarks=model)


def test_the_cache_knows_how_pictures_were_aligned(tmp_path: Path) -> None:
    faces = fill(tmp_path / "faces", 1, 0)
    keys = []
    for outputs in (10, 9):
        model = write_landmarks(tmp_path / f"{outputs}.onnx", outputs)
        keys.append(FolderDataset({"path": str(faces), "align": "crops", "landmarks": str(model)})._key())
    keys.append(FolderDataset({"path": str(faces)})._key())
    assert keys[0] != keys[1]
    assert "aligned" not in keys[2]


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = fill(tmp_path / "faces", 1, 0)
    monkeypatch.delenv("FACELEAK_WEIGHTS", raising=False)
    monkeypatch.delenv("FACELEAK_DATA", raising=False)
    with pytest.raises(InputError, match="FACELEAK_WEIGHTS and FACELEAK_DATA, neither of which is set"):
        load(tmp_path, faces)
    monkeypatch.setenv("FACELEAK_WEIGHTS", str(tmp_path / "w"))
    monkeypatch.setenv("FACELEAK_DATA", str(tmp_path / "d"))
    with pytest.raises(InputError, match=r"w/landmarks5_retail0009.onnx and .*d/aux/landmarks5"):
        load(tmp_path, faces)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"\.insightface/models or .*w or .*d; get it with `faceleak fetch buffalo_l`"):
        load(tmp_path, faces, align="photographs", detector="insightface:buffalo_l")
    with pytest.raises(InputError, match=r"need a face detector.*`faceleak prepare photographs`.*buffalo_l"):
        load(tmp_path, faces, align="photographs")
    write_landmarks(tmp_path / "w" / "landmarks5_retail0009.onnx", 9)
    with pytest.raises(InputError, match="gives 9 numbers"):
        load(tmp_path, faces)
    write_detector(tmp_path / "blind" / "det.onnx", landmarks=False)
    with pytest.raises(InputError, match="faces but no landmarks"):
        load(tmp_path, faces, align="photographs", detector=str(tmp_path / "blind"))
    with pytest.raises(InputError, match="align = 'cut'"):
        FolderDataset({"path": str(faces), "align": "cut"})


@pytest.mark.data
def test_real_faces_are_found_and_brought_back(data_pack: Path) -> None:
    """LFW's aligned faces, turned, scaled and shifted, come back; noise and colour clouds are no faces."""
    finder = CropFinder(str(data_pack / "aux" / "landmarks5_retail0009.onnx"), "test")
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(data_pack / "faces" / "lfw112_core.zip") as archive:
        names = sorted(archive.namelist())[::150][:50]
        faces = [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in names]
    errors, missed = [], 0
    frame = np.array([[20, 20], [92, 20], [20, 100], [92, 100]], float)
    for face in faces:
        turn, scale = np.deg2rad(rng.uniform(-20, 20)), rng.uniform(0.75, 1.05)
        matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        shift = rng.uniform(-8, 8, 2) + 56 - matrix @ [56, 56]
        away = np.column_stack([matrix, shift])
        found = finder(warp(face, away, 112))
        if isinstance(found, LeftOut):
            missed += 1
        else:
            back = moved(moved(frame, away), similarity(found, TEMPLATE))
            errors.append(np.linalg.norm(back - frame, axis=1).mean())
    assert missed <= 3
    assert np.median(errors) < 2, "pixels of 112"
    noise = [Image.fromarray(rng.integers(0, 256, (n, n, 3), dtype=np.uint8)).resize((112, 112)) for n in [6, 112] * 30]
    assert sum(isinstance(finder(picture), LeftOut) for picture in noise) >= 57
