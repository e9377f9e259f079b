"""IResNet as a recogniser: published weights from a file, or trained here by the published recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.iresnet import IResNet
from faceleak.bench.core.registry import RECOGNIZERS

from .pack import context, make
from .test_trained import patterns

SMALL = {"depth": 18, "size": 16, "dim": 8}


def test_published_weights_are_read_strictly_and_fed_as_insightface_feeds_them(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = IResNet(18, 3, 8, 16).eval()
    torch.save(net.state_dict(), tmp_path / "backbone.pth")
    found = make("iresnet", SMALL | {"path": str(tmp_path / "backbone.pth")}, "mine")
    assert (found.needs_training, found.family, found.dim) == (False, "iresnet-18", 8)
    assert found.provenance["file"] == "backbone.pth"
    x = torch.rand(3, 3, 16, 16)
    with torch.no_grad():
        wanted = torch.nn.functional.normalize(net((x - 0.5) / 0.5), dim=1)
    assert torch.allclose(found(x), wanted, atol=1e-5)
    with pytest.raises(InputError, match=r"mine: backbone\.pth does not fit the network: .*check architecture"):
        make("iresnet", SMALL | {"depth": 34, "path": str(tmp_path / "backbone.pth")}, "mine")
    with pytest.raises(InputError, match="was not trained here"):
        found.save(tmp_path / "again")
    first = found.describe()["weights"]
    torch.save(IResNet(18, 3, 8, 16).state_dict(), tmp_path / "backbone.pth")
    assert found.describe()["weights"] != first, "another file is another recogniser"


def test_without_a_path_it_is_trained_and_kept(tmp_path: Path) -> None:
    own = {**SMALL, "steps": 4, "batch": 8}
    recognizer = RECOGNIZERS.get("iresnet")(own)
    assert recognizer.needs_training
    recognizer.build(context(patterns()))
    assert len(recognizer.log.losses) == 4
    assert recognizer.provenance == {"trained": "12 identities, 96 images"}
    recognizer.save(tmp_path / "w.safetensors")
    again = RECOGNIZERS.get("iresnet")(own).load(tmp_path / "w.safetensors", context())
    x = patterns().resized(torch.arange(6), 16)
    assert torch.equal(again(x), recognizer(x))
