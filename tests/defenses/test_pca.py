"""PCA against scikit-learn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DEFENSES
from faceleak.bench.core.seeding import Rng
from sklearn.decomposition import PCA
from systems import CPU, ToySystem, faces, recognizer

TRAIN = torch.arange(150)


@pytest.mark.parametrize("whiten", [False, True])
def test_codes_are_those_of_scikit_learn(whiten: bool) -> None:
    z = ToySystem("none").deployed_leak(TRAIN).double().numpy()
    theirs = PCA(8, whiten=whiten, svd_solver="full").fit_transform(z)
    ours = ToySystem("pca", {"components": 8, "whiten": whiten}).deployed_leak(TRAIN).numpy()
    signs = np.sign((theirs * ours).sum(0))
    assert np.allclose(ours * signs, theirs, atol=1e-4 * np.abs(theirs).max())
    if whiten:
        assert np.allclose(ours.std(0, ddof=1), 1, atol=1e-3)


def test_reconstructions_are_those_of_scikit_learn() -> None:
    z = ToySystem("none").deployed_leak(TRAIN).double().numpy()
    model = PCA(8, svd_solver="full").fit(z)
    ours = ToySystem("pca", {"components": 8, "store": "reconstruction"}).deployed_leak(TRAIN).numpy()
    assert np.allclose(ours, model.inverse_transform(model.transform(z)), atol=1e-5)
    assert np.linalg.matrix_rank(ours - ours.mean(0), tol=1e-4) == 8


def test_all_components_keep_all_distances() -> None:
    z = ToySystem("none").deployed_leak(TRAIN)
    codes = ToySystem("pca", {"components": 32}).deployed_leak(TRAIN)
    assert torch.allclose((z - z.roll(1, 0)).norm(dim=1), (codes - codes.roll(1, 0)).norm(dim=1), atol=1e-5)


def test_a_reloaded_fit_says_the_same() -> None:
    system = ToySystem("pca")
    context = FitContext(recognizer("toy-a"), faces()["public"], Rng(0, "defense"), CPU, Progress())
    again = DEFENSES.get("pca")().fit(context, state=system.defense.state_dict())
    z = ToySystem("none").deployed_leak(TRAIN)
    draw = system.installation.draw(TRAIN)
    assert torch.equal(again.enroll(z, draw), system.defense.enroll(z, draw))
    assert system.deployed_leak(TRAIN).shape == (150, 8)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(InputError, match=r"components must lie in 1\.\.32"):
        ToySystem("pca", {"components": 33})
    with pytest.raises(InputError, match="a reconstruction undoes whitening"):
        ToySystem("pca", {"whiten": True, "store": "reconstruction"})
    context = FitContext(recognizer("toy-a"), None, Rng(0), CPU, Progress())
    with pytest.raises(InputError, match="8 components need more than 8 images of a train split, got 0"):
        DEFENSES.get("pca")().fit(context)
    few = dataclasses.replace(context, train=faces()["public"].subset(torch.arange(8), "few"))
    with pytest.raises(InputError, match="got 8"):
        DEFENSES.get("pca")().fit(few)
