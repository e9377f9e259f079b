"""The shared part parser: what it is taught, and that it learns it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from faceleak.bench.core.anatomy import Anatomy
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.seeding import Rng
from faceleak.bench.zoo.parser import CLASSES, ParserSettings, moved, part_parser, template, true_parts

NAMES = ("background", "skin", "left_eye", "nose", "lips", "hat", "glasses")
N, SIDE = 48, 32


def _faces(parts: bool = True) -> FaceSet:
    """Grey discs (skin) with a white square (nose) anywhere on them."""
    place = Rng(0, "place").bits(torch.arange(N), (2,)) % 12 + 8
    labels = torch.zeros(N, SIDE, SIDE, dtype=torch.uint8)
    labels[:, 4:28, 4:28] = 1
    for one, (top, left) in zip(labels, place.tolist(), strict=True):
        one[top : top + 8, left : left + 8] = 3
    images = torch.tensor([0.1, 0.5, 0, 0.9])[labels.long()][:, None].expand(-1, 3, -1, -1)

    def anatomy(index: np.ndarray) -> Anatomy:
        known = labels[torch.as_tensor(index)] if parts else None
        return Anatomy(torch.zeros(len(index), 0, 2), (), known, NAMES)

    names = [str(i) for i in range(N)]
    return FaceSet("train", names, names, lambda index: images[torch.as_tensor(index)], "sha", anatomy=anatomy)


def _context() -> FitContext:
    return FitContext(torch.nn.Identity(), None, Rng(0), torch.device("cpu"), Progress(), resolution=SIDE)


def test_it_finds_the_parts_of_pictures_that_it_has_not_seen() -> None:
    faces = _faces()
    size = ParserSettings(parser_width=8, parser_steps=60, parser_batch=8, parser_lr=0.02)
    net = part_parser(faces.subset(torch.arange(32), "train"), _context(), 16, size)
    rest = torch.arange(32, N)
    found, truth = net(faces.resized(rest, 16)).argmax(1), true_parts(faces, rest, 16)
    assert found.shape == truth.shape
    assert float((found == truth).float().mean()) > 0.95
    assert float((found == 3)[truth == 3].float().mean()) > 0.6, "the nose, wherever it is"


def test_parts_are_merged_by_their_names() -> None:
    labels = torch.arange(len(NAMES), dtype=torch.uint8).reshape(1, 1, -1).expand(1, len(NAMES), -1)
    known = Anatomy(torch.zeros(1, 0, 2), (), labels, NAMES)
    faces = FaceSet("train", ["a"], ["a"], lambda index: torch.zeros(1, 3, 7, 7), "", anatomy=lambda index: known)
    merged = true_parts(faces, torch.tensor([0]), len(NAMES))[0, 0]
    names = [CLASSES[i] for i in merged.tolist()]
    eyes = "eyes and brows"
    assert names == ["surroundings", "skin", eyes, "nose", "mouth", "surroundings", eyes]


def test_where_no_parts_are_known_a_fixed_map_stands() -> None:
    fixed = template(112)
    assert torch.equal(true_parts(_faces(parts=False), torch.arange(3), 112), fixed.expand(3, -1, -1))
    # ArcFace's template, (x, y) in pixels
    for (x, y), name in {
        (38, 52): "eyes and brows", (74, 52): "eyes and brows", (56, 72): "nose", (42, 92): "mouth", (71, 92): "mouth",
        (30, 75): "skin", (3, 3): "surroundings",
    }.items():  # fmt: skip
        assert CLASSES[int(fixed[y, x])] == name
    assert torch.equal(template(56), fixed[::2, ::2]) or float((template(56) == fixed[::2, ::2]).float().mean()) > 0.97


def test_pictures_and_parts_move_together() -> None:
    parts = torch.randint(0, 5, (3, 4, 4)).repeat_interleave(8, 1).repeat_interleave(8, 2)
    u = torch.tensor([[0.9, 0.5, 0.5], [0.1, 0.5, 0.5], [0.9, 1.0, 0.5]])
    shown, classes = moved(parts[:, None].float(), parts, u)
    assert torch.equal(classes[0], parts[0])
    assert torch.equal(classes[1], parts[1].flip(-1))
    assert not torch.equal(classes[2], parts[2])
    assert float((shown[:, 0] - classes).abs().median()) < 1e-4


def test_a_side_that_does_not_fit() -> None:
    with pytest.raises(InputError, match="multiple of 8 and positive sizes, got 30"):
        part_parser(_faces(), _context(), 30, ParserSettings())
