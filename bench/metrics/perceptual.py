"""Perceptual quality: LPIPS per pair of images, FID and KID per pair of sets.

Both need weights that are not shipped: `FACELEAK_WEIGHTS` names a folder with the published files. A missing
file raises `MetricUnavailable` (a row with status `absent`); nothing is ever downloaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.checks import check_images
from ..core.errors import InputError
from ..core.extras import MissingExtra, need
from .arrays import MetricInputError, MetricUnavailable, Rng
from .distribution import KidEstimate, frechet_distance, kid
from .weights import fill, find_weights, read_state

__all__ = ["Fid", "Lpips", "MetricUnavailable"]

# torchvision's checkpoint of each trunk, and the names accepted besides it
TRUNKS = {
    "alex": ("alexnet-owt-7be5be79.pth", ("alexnet*",)),
    "vgg": ("vgg16-397923af.pth", ("vgg16", "vgg16[-.]*")),  # not vgg16_bn
    "squeeze": ("squeezenet1_1-b8a52dc0.pth", ("squeezenet1_1*",)),
}
INCEPTION = "pt_inception-2015-12-05-6726825d.pth"
LEAST_SIDE = 32  # px; below it a trunk pools to nothing


class Lpips:
    """Learned perceptual distance of image pairs (Zhang et al. 2018, arXiv 1801.03924, eq. 1), v0.1.

    The linear heads come with the package `lpips`, the trunk is torchvision's ImageNet checkpoint from the
    local folder. Input [0, 1] is mapped to [-1, 1] here. Always name the net beside the number.

    Args:
        net: trunk, "alex" (the field's default), "vgg" or "squeeze".
        weights: trunk file or folder; None = the folder named by FACELEAK_WEIGHTS.
        device: where to compute.
        batch: pairs at once.

    Attributes:
        name: `lpips_<net>`.
        weights: path of the trunk file used (for the manifest).

    Raises:
        MetricInputError: unknown net.
        MetricUnavailable: the trunk file is absent.
        WeightsMismatch: the file is not this trunk.
    """

    higher_is_better = False
    unit = ""

    def __init__(
        self,
        net: str = "alex",
        weights: str | Path | None = None,
        device: torch.device | str = "cpu",
        batch: int = 64,
    ) -> None:
        if net not in TRUNKS:
            raise MetricInputError(f"LPIPS net is {net!r}; pass one of {', '.join(TRUNKS)}")
        self.name, self.device, self.batch = f"lpips_{net}", torch.device(device), batch
        self.weights = find_weights(f"LPIPS ({net})", *TRUNKS[net], weights)
        self._model = _lpips_model(net, self.weights).to(self.device)

    @torch.no_grad()
    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """LPIPS of each pair.

        Args:
            x: images (N, 3, H, W), float32 RGB, range [0, 1], H and W >= 32 px.
            y: images of the same shape.

        Returns:
            Distances (N,), float64 on the CPU, range [0, about 1.5]; 0 for equal images.

        Raises:
            InputError: not images, different shapes, or too small.
        """
        check_images(x, "x")
        check_images(y, "y")
        if x.shape != y.shape or min(x.shape[-2:]) < LEAST_SIDE:
            raise InputError(
                f"LPIPS got {tuple(x.shape)} and {tuple(y.shape)}; it needs one shape of at least {LEAST_SIDE} px"
            )
        parts = [
            self._model(self._signed(a), self._signed(b)).flatten().double().cpu()
            for a, b in zip(torch.split(x, self.batch), torch.split(y, self.batch))
        ]
        return torch.cat(parts)

    def _signed(self, x: Tensor) -> Tensor:
        return 2 * x.to(self.device, torch.float32) - 1


class Fid:
    """FID and KID in the features of the original TensorFlow Inception-v3 (port of `pytorch-fid`).

    Heusel et al. 2017, arXiv 1706.08500. FID is strongly biased for small sets: it is comparable only at equal
    n, and a row carries n and the real-vs-real floor (`distribution.real_floor` on `features(real)`).

    Args:
        weights: `pt_inception-2015-12-05-6726825d.pth`, or the folder it is in; None = FACELEAK_WEIGHTS.
        device: where to compute.
        batch: images at once.

    Attributes:
        weights: path of the file used (for the manifest).

    Raises:
        MetricUnavailable: the file is absent.
        WeightsMismatch: the file is not this network.
    """

    higher_is_better = False
    unit = ""
    name = "fid"

    def __init__(self, weights: str | Path | None = None, device: torch.device | str = "cpu", batch: int = 32) -> None:
        self.device, self.batch = torch.device(device), batch
        self.weights = find_weights("FID", INCEPTION, ("pt_inception*",), weights)
        self._model = fill(_InceptionFeatures(), _stages(read_state(self.weights)), self.weights).to(self.device)

    @torch.no_grad()
    def features(self, images: Tensor) -> npt.NDArray[np.float64]:
        """Pool features (N, 2048), float64, of images (N, 3, H, W), float32 RGB, range [0, 1].

        Raises:
            InputError: not images, or none.
        """
        if not len(check_images(images, "images")):
            raise InputError("Fid.features got 0 images; pass at least one (and at least two for a distance)")
        parts = [self._model(part.to(self.device, torch.float32)) for part in torch.split(images, self.batch)]
        return np.concatenate([part.double().cpu().numpy() for part in parts])

    def fid(self, real: Tensor, fake: Tensor) -> float:
        """Frechet distance of the features of two image sets (N, 3, H, W) in [0, 1]; >= 0, 0 for equal sets."""
        return frechet_distance(self.features(real), self.features(fake))

    def kid(self, real: Tensor, fake: Tensor, rng: Rng, subset_size: int = 100, subsets: int = 100) -> KidEstimate:
        """KID of two image sets (N, 3, H, W) in [0, 1]; see `distribution.kid`. The one for small sets."""
        return kid(self.features(real), self.features(fake), rng, subset_size, subsets)


class _InceptionFeatures(nn.Module):
    """pytorch-fid's Inception up to the pool, assembled here because its own constructor downloads."""

    def __init__(self) -> None:
        super().__init__()
        pf = _package("pytorch_fid.inception", "FID and KID")
        from torchvision.models import inception_v3

        with torch.device("meta"):
            net: Any = inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False)
            net.Mixed_5b = pf.FIDInceptionA(192, pool_features=32)
            net.Mixed_5c = pf.FIDInceptionA(256, pool_features=64)
            net.Mixed_5d = pf.FIDInceptionA(288, pool_features=64)
            net.Mixed_6b = pf.FIDInceptionC(768, channels_7x7=128)
            net.Mixed_6c = pf.FIDInceptionC(768, channels_7x7=160)
            net.Mixed_6d = pf.FIDInceptionC(768, channels_7x7=160)
            net.Mixed_6e = pf.FIDInceptionC(768, channels_7x7=192)
            net.Mixed_7b = pf.FIDInceptionE_1(1280)
            net.Mixed_7c = pf.FIDInceptionE_2(2048)
        # torchvision's forward order, without the dropout and classifier at its end
        stages = {name: child for name, child in net.named_children() if name not in ("dropout", "fc")}
        self.stages = nn.Sequential()
        for name, child in stages.items():
            self.stages.add_module(name, child)

    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False)
        pooled: Tensor = self.stages(2 * x - 1).flatten(1)  # (n, 2048)
        return pooled


def _package(module: str, why: str) -> Any:
    """A package of the extra ``perceptual``; without it the metric is absent, not wrong."""
    try:
        return need(module, f"{why} rows")
    except MissingExtra as error:
        raise MetricUnavailable(str(error)) from error


def _stages(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Checkpoint names -> names in `_InceptionFeatures`; the 1008-way classifier is not used."""
    return {f"stages.{name}": value for name, value in state.items() if not name.startswith(("fc.", "AuxLogits."))}


def _lpips_model(net: str, trunk: Path) -> nn.Module:
    import warnings

    lpips = _package("lpips", "LPIPS")
    with warnings.catch_warnings(), torch.device("meta"):
        # lpips builds its trunks with torchvision's retired `pretrained=` argument.
        warnings.simplefilter("ignore")
        model: nn.Module = lpips.LPIPS(pretrained=False, net=net, pnet_rand=True, verbose=False)
    places = {name.split(".")[2]: name.split(".")[1] for name in model.state_dict() if name.startswith("net.slice")}
    state = {}
    for name, value in read_state(trunk).items():  # features.<i>.<leaf> -> net.slice<k>.<i>.<leaf>
        part, _, rest = name.partition(".")
        if part == "features":
            state[f"net.{places.get(rest.split('.')[0], 'slice?')}.{rest}"] = value
    heads = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{net}.pth"
    return fill(model, state | read_state(heads), trunk)
