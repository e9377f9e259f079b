"""The embedded renderer: determinism, ground truth that is true, parameters that matter."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from faceleak.datasets.rendering import (
    ATTRIBUTE_NAMES,
    IDENTITY_NAMES,
    LANDMARK_NAMES,
    NUISANCE_NAMES,
    PART_NAMES,
    FaceParameters,
    attributes,
    captions,
    heat_maps,
    render,
    sample_identity,
    sample_nuisance,
)
from faceleak.datasets.rendering.camera import TEMPLATE
from torch import Tensor


def draw(n: int, strength: float = 1.0, image: int = 0) -> FaceParameters:
    ids = torch.arange(n)
    return FaceParameters(sample_identity(0, ids), sample_nuisance(0, ids, torch.full_like(ids, image), strength))


def rows(parameters: FaceParameters, which: slice | Tensor) -> FaceParameters:
    return FaceParameters(parameters.identity[which], parameters.nuisance[which])


def test_shapes_and_ranges() -> None:
    result = render(draw(5), 48, torch.arange(5))
    assert len(IDENTITY_NAMES) >= 40
    assert result.images.shape == (5, 3, 48, 48)
    assert result.images.dtype == torch.float32
    assert result.images.min() >= 0
    assert result.images.max() <= 1
    assert result.parts.shape == (5, 48, 48)
    assert result.parts.dtype == torch.uint8
    assert result.parts.max() < len(PART_NAMES)
    assert result.landmarks.shape == (5, len(LANDMARK_NAMES), 2)


def test_no_faces_is_no_pictures() -> None:
    assert render(draw(0), 32).images.shape == (0, 3, 32, 32)


@pytest.mark.parametrize("size", [64, 112])
def test_rows_do_not_depend_on_the_batch(size: int) -> None:
    parameters, seeds = draw(8), torch.arange(8) * 7
    together = render(parameters, size, seeds)
    again = render(parameters, size, seeds)
    assert torch.equal(together.images, again.images)
    for i in range(8):
        alone = render(rows(parameters, slice(i, i + 1)), size, seeds[i : i + 1])
        assert torch.equal(together.images[i], alone.images[0])
        assert torch.equal(together.parts[i], alone.parts[0])
        assert torch.equal(together.landmarks[i], alone.landmarks[0])


def test_rows_do_not_depend_on_their_place() -> None:
    parameters = draw(20)
    order = torch.arange(19, -1, -1)
    assert torch.equal(render(rows(parameters, order), 32).images, render(parameters, 32).images[order])


def test_samples_depend_on_their_numbers_only() -> None:
    ids, images = torch.tensor([4, 9, 4]), torch.tensor([1, 1, 2])
    who, how = sample_identity(3, ids), sample_nuisance(3, ids, images)
    assert torch.equal(who[0], who[2])
    assert torch.equal(who[1:2], sample_identity(3, ids[1:2]))
    assert torch.equal(how[2:], sample_nuisance(3, ids[2:], images[2:]))
    assert not torch.equal(how[0], how[2])
    assert not torch.equal(who, sample_identity(4, ids))
    assert torch.equal(sample_nuisance(3, ids, images, 0.0), torch.zeros(3, len(NUISANCE_NAMES)))


def test_identities_are_about_standard_normal_and_correlated() -> None:
    x = sample_identity(0, torch.arange(4000))
    assert (x.mean(0).abs() < 0.12).all()
    assert ((x.std(0) - 1).abs() < 0.12).all()
    column = {name: x[:, i] for i, name in enumerate(IDENTITY_NAMES)}
    assert torch.corrcoef(torch.stack([column["age"], column["wrinkles"]]))[0, 1] > 0.6
    assert torch.corrcoef(torch.stack([column["sex"], column["hair_length"]]))[0, 1] < -0.6


def test_same_person_is_nearer_than_another() -> None:
    who = sample_identity(0, torch.arange(30))
    assert torch.equal(who, sample_identity(0, torch.arange(30)))
    assert torch.pdist(who).min() > 3


def test_every_identity_parameter_changes_the_picture() -> None:
    # On ten neutral people: a beard's parameter shows on men only, a mole's place only where the mole is.
    people = draw(10, 0.0)
    plain = render(people, 32).images
    for k, name in enumerate(IDENTITY_NAMES):
        changed = people.identity.clone()
        changed[:, k] += torch.where(changed[:, k] > 0, -2.0, 2.0)
        moved = render(FaceParameters(changed, people.nuisance), 32).images
        assert (moved - plain).abs().max() > 0.01, name


def test_every_nuisance_changes_the_picture() -> None:
    people = draw(8)
    plain = render(people, 32, torch.arange(8)).images
    for k, name in enumerate(NUISANCE_NAMES):
        changed = people.nuisance.clone()
        changed[:, k] = torch.where(changed[:, k] > 0, -2.5, 2.5)
        if name.startswith("hat_"):
            changed[:, NUISANCE_NAMES.index("hat")] = 2.5
            if name == "hat_red":
                plain = render(FaceParameters(people.identity, changed), 32, torch.arange(8)).images
                continue
        elif name.startswith("glasses_"):
            changed[:, NUISANCE_NAMES.index("glasses")] = 2.5
        moved = render(FaceParameters(people.identity, changed), 32, torch.arange(8)).images
        assert (moved - plain).abs().max() > 0.01, name


def test_landmarks_sit_near_the_template() -> None:
    five = render(draw(64), 112).landmarks[:, :5]
    template = torch.tensor(TEMPLATE)
    assert ((five.mean(0) - template).abs() < 4).all()
    # Yaw forbids a perfect fit of a flat template, a detector's error adds to it.
    assert (five - template).norm(dim=-1).mean() < 5
    centre_error = (five.mean(1) - template.mean(0)).norm(dim=-1)
    assert centre_error.max() < 4


def test_landmarks_fall_on_their_parts() -> None:
    people = draw(24, 0.0)
    bare = people.identity.clone()
    bare[:, IDENTITY_NAMES.index("glasses_habit")] = -1
    result = render(FaceParameters(bare, people.nuisance), 112)

    def label_at(name: str) -> list[str]:
        xy = result.landmarks[:, LANDMARK_NAMES.index(name)].round().long()
        return [PART_NAMES[int(result.parts[i, y, x])] for i, (x, y) in enumerate(xy.tolist())]

    for landmark, part in (("left_eye", "left_eye"), ("right_eye", "right_eye"), ("nose_tip", "nose")):
        assert label_at(landmark).count(part) >= 23, landmark
    for side in ("left", "right"):
        assert label_at(f"{side}_brow_middle").count(f"{side}_brow") >= 20
    assert sum(label_at("lower_lip_bottom")[i] in ("lips", "skin") for i in range(24)) >= 22


def test_all_parts_occur() -> None:
    parts = render(draw(96), 64).parts
    counts = torch.bincount(parts.flatten().long(), minlength=len(PART_NAMES))
    missing = [name for name, count in zip(PART_NAMES, counts.tolist()) if count == 0]
    assert not missing


def test_attributes_are_complete_and_vary() -> None:
    known = attributes(draw(400))
    assert tuple(known) == ATTRIBUTE_NAMES
    for name, value in known.items():
        assert value.shape == (400,)
        if value.dtype == torch.bool:
            assert 0 < value.float().mean() < 0.8, name
        else:
            assert value.std() > 0, name


def test_captions_say_what_is_there() -> None:
    parameters = draw(60)
    known = attributes(parameters)
    for i, text in enumerate(captions(parameters)):
        assert text.endswith(".")
        assert ("glasses" in text) == bool(known["glasses"][i])
        assert ("smiling" in text) == bool(known["smiling"][i])
        assert (" man " in text) == bool(known["male_like"][i])


def test_glasses_are_seen_iff_worn() -> None:
    parameters = draw(48)
    worn = attributes(parameters)["glasses"]
    seen = (render(parameters, 64).parts == PART_NAMES.index("glasses")).flatten(1).any(1)
    assert torch.equal(worn, seen)


def test_heat_maps_peak_at_the_landmark() -> None:
    points = torch.tensor([[[3.0, 5.0], [10.0, 0.0]]])
    maps = heat_maps(points, 16, 1.5)
    assert maps.shape == (1, 2, 16, 16)
    assert maps.flatten(2).argmax(2).tolist() == [[5 * 16 + 3, 10]]
    torch.testing.assert_close(maps.amax((2, 3)), torch.ones(1, 2))
    with pytest.raises(ValueError, match="sigma"):
        heat_maps(points, 16, 0.0)


def test_sizes_agree() -> None:
    people = draw(8)
    large = render(people, 128)
    for size in (32, 64):
        small = render(people, size)
        shrunk = F.avg_pool2d(large.images, 128 // size)
        assert (shrunk - small.images).abs().mean() < 0.025
        moved = (large.landmarks + 0.5) * size / 128 - 0.5
        torch.testing.assert_close(small.landmarks, moved, atol=1e-3, rtol=0)
    at112 = F.interpolate(render(people, 112).images, (64, 64), mode="area")
    assert (at112 - render(people, 64).images).abs().mean() < 0.025


def test_far_out_parameters_do_not_break() -> None:
    n = 12
    extreme = torch.where(sample_identity(1, torch.arange(n)) > 0, 6.0, -6.0)
    result = render(FaceParameters(extreme, 2 * sample_nuisance(1, torch.arange(n), torch.arange(n))), 64)
    assert result.images.isfinite().all()
    face = (result.parts >= PART_NAMES.index("skin")) & (result.parts <= PART_NAMES.index("hair"))
    assert (face.float().mean((1, 2)) > 0.25).all()
    assert face[:, 28:40, 28:36].float().mean() > 0.8  # no hole in the middle of the face (frames aside)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="identity is"):
        FaceParameters(torch.zeros(2, 3), torch.zeros(2, len(NUISANCE_NAMES)))
    with pytest.raises(ValueError, match="size is 8"):
        render(draw(1), 8)
    with pytest.raises(ValueError, match="noise_seed"):
        render(draw(2), 32, torch.zeros(1, dtype=torch.int64))
