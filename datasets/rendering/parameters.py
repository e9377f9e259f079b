"""What a face picture is made of: who (identity) and how it was taken (nuisance), and how both are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...bench.core.seeding import Rng

# Each identity column with its loadings on the four latent factors: a person is not a bag of independent traits.
_IDENTITY: Mapping[str, tuple[float, float, float, float]] = {
    # name: (sex, age, african, east asian), the rest of the unit variance is the column's own
    "sex": (1, 0, 0, 0), "age": (0, 1, 0, 0), "african": (0, 0, 1, 0), "east_asian": (0, 0, 0, 1),
    "face_width": (0.2, 0.1, 0, 0.2), "face_length": (0.3, 0, 0, 0), "face_depth": (0.1, 0, 0.1, -0.3),
    "jaw_width": (0.5, 0.1, 0, 0), "jaw_fullness": (0.1, 0.4, 0, 0.1), "chin_length": (0.4, 0, 0, -0.1),
    "chin_width": (0.4, 0, 0, 0), "chin_protrusion": (0.2, 0, -0.2, -0.1), "cheekbones": (-0.2, -0.2, 0.1, 0.4),
    "cheek_fullness": (-0.2, -0.1, 0, 0.1), "brow_ridge": (0.6, 0, 0, -0.4), "brow_height": (-0.5, -0.1, 0, 0.2),
    "forehead_bulge": (-0.3, 0, 0.2, 0), "temple_width": (0, 0.1, 0, 0.1), "eye_distance": (0, 0, 0.2, 0.1),
    "eye_size": (-0.4, -0.1, 0, -0.1), "eye_opening": (-0.3, -0.4, 0.1, -0.4), "eye_tilt": (-0.3, -0.3, 0, 0.4),
    "eye_depth": (0.3, 0.2, 0, -0.5), "eye_crease": (-0.1, 0.2, 0, -0.5), "eye_height": (0, 0, 0, 0),
    "nose_length": (0.3, 0.3, -0.2, 0), "nose_width": (0.3, 0.2, 0.5, 0.2), "nose_bridge": (0.3, 0, -0.4, -0.4),
    "nose_tip": (0.1, 0.3, 0.2, 0), "nose_upturn": (-0.3, -0.2, 0.1, 0), "nose_hump": (0.2, 0.1, -0.2, -0.2),
    "nostrils": (0.1, 0, 0.4, 0), "mouth_width": (0.3, 0.1, 0.3, -0.1), "mouth_height": (0, -0.1, 0, 0),
    "lip_upper": (-0.3, -0.4, 0.5, 0), "lip_lower": (-0.2, -0.3, 0.5, 0), "lip_bow": (-0.2, -0.2, 0, 0),
    "mouth_corners": (0, -0.3, 0, 0), "muzzle": (0, 0, 0.5, 0.1), "philtrum": (0.1, 0.2, 0, 0),
    "ear_size": (0.3, 0.3, 0, 0), "ear_angle": (0.2, 0, 0, 0), "asymmetry_nose": (0, 0, 0, 0),
    "asymmetry_mouth": (0, 0, 0, 0), "asymmetry_eyes": (0, 0, 0, 0), "asymmetry_cheeks": (0, 0, 0, 0),
    "melanin": (0.05, 0, 0.85, 0.05), "undertone": (0, 0, 0.1, 0.5), "redness": (0.1, 0.2, -0.2, -0.2),
    "iris_hue": (0, 0, 0.2, 0.3), "iris_lightness": (0, 0, -0.6, -0.5), "brow_thickness": (0.5, 0.1, 0, 0),
    "brow_darkness": (0.1, -0.2, 0.3, 0.4), "brow_arch": (-0.5, 0, 0, -0.1), "brow_length": (0, 0, 0, -0.1),
    "lip_colour": (-0.3, -0.2, 0.2, 0), "hair_line": (0.2, 0.5, 0.1, -0.1), "hair_temples": (0.4, 0.5, 0, 0),
    "hair_lightness": (-0.1, 0, -0.6, -0.6), "hair_red": (-0.1, 0, -0.2, -0.2), "hair_gray": (0.1, 0.85, 0, 0),
    "hair_volume": (-0.5, -0.2, 0, 0), "hair_length": (-0.85, -0.1, 0, 0), "hair_curl": (0, 0, 0.6, -0.3),
    "hair_part": (0, 0, 0, 0), "stubble": (0.5, 0, 0, -0.3), "beard": (0, 0.1, 0, -0.2),
    "moustache": (0, 0.2, 0.2, 0), "freckles": (-0.1, -0.2, -0.4, -0.2), "wrinkles": (0.1, 0.85, 0, 0),
    "eye_bags": (0.1, 0.6, 0, 0), "mole_one_x": (0, 0, 0, 0), "mole_one_y": (0, 0, 0, 0),
    "mole_one_strength": (0, 0.1, 0, 0), "mole_two_x": (0, 0, 0, 0), "mole_two_y": (0, 0, 0, 0),
    "mole_two_strength": (0, 0.1, 0, 0), "complexion_one": (0, 0, 0, 0), "complexion_two": (0, 0, 0, 0),
    "complexion_three": (0, 0, 0, 0), "glasses_habit": (0.1, 0.4, 0, 0.1),
}  # fmt: skip

IDENTITY_NAMES: tuple[str, ...] = tuple(_IDENTITY)

NUISANCE_NAMES: tuple[str, ...] = (
    "yaw", "pitch", "roll", "camera_distance", "shift_x", "shift_y", "zoom", "tilt",
    "smile", "mouth_open", "brow_raise", "frown", "eye_closure", "gaze_x", "gaze_y",
    "light_x", "light_y", "key_intensity", "key_hardness", "fill_side", "sky", "sh_one", "sh_two", "sh_three",
    "temperature", "tint", "fill_temperature", "specular",
    "hair_noise", "hair_lift", "hair_dye", "fringe", "stubble_growth", "tan",
    "lipstick", "blush", "eye_shadow", "makeup_hue",
    "glasses", "glasses_shape", "glasses_size", "glasses_lightness", "glasses_lens",
    "hat", "hat_red", "hat_green", "hat_blue", "hat_height",
    "ground_red", "ground_green", "ground_blue", "other_red", "other_green", "other_blue",
    "ground_angle", "ground_offset", "ground_hardness", "ground_noise_one", "ground_noise_two", "ground_noise_three",
    "clothes_red", "clothes_green", "clothes_blue", "collar",
    "blur", "noise", "exposure", "contrast", "saturation",
)  # fmt: skip


@dataclass(frozen=True)
class FaceParameters:
    """A batch of faces to render.

    Attributes:
        identity: (N, P) float32, about N(0, 1) each, columns `IDENTITY_NAMES`.
        nuisance: (N, Q) float32, about N(0, strength^2) each, columns `NUISANCE_NAMES`; zero is a neutral studio shot.
    """

    identity: Tensor
    nuisance: Tensor

    def __post_init__(self) -> None:
        n = self.identity.shape[0]
        for name, value, columns in (
            ("identity", self.identity, len(IDENTITY_NAMES)),
            ("nuisance", self.nuisance, len(NUISANCE_NAMES)),
        ):
            if value.shape != (n, columns):
                raise ValueError(f"{name} is {tuple(value.shape)}, expected ({n}, {columns})")

    def exact(self) -> FaceParameters:
        """The same faces in double precision. Kernels of processors differ by 1e-14 of a rendered value then, not by
        1e-6, so that no pixel of a data set lies so close to a step of 8 bits that it falls to another side."""
        return FaceParameters(self.identity.double(), self.nuisance.double())


def sample_identity(seed: int, identities: Tensor) -> Tensor:
    """Draw people.

    Args:
        seed: of the population.
        identities: (N,) int64 identity numbers.

    Returns:
        (N, P) float32; each row depends on (seed, identity number) only.
    """
    raw = Rng(seed, "rendering", "identity").normal(identities, (len(IDENTITY_NAMES),))
    loadings = torch.tensor(list(_IDENTITY.values()), dtype=torch.float32, device=raw.device)  # (P, 4)
    factors = raw[:, :4].clone()
    # Sex has two modes (+-0.9, spread 0.44): still mean 0 and variance 1.
    factors[:, 0] = 0.9 * torch.sign(raw[:, 0]) + 0.44 * raw[:, IDENTITY_NAMES.index("glasses_habit")]
    # In double precision: libraries of mathematics take other single-precision roots on other processors.
    own = (1 - loadings.double().square().sum(1)).clamp(min=0).sqrt().float()
    mixed = raw * own
    for k in range(4):  # not a matrix product: its last bit may depend on the batch
        mixed = mixed + factors[:, k : k + 1] * loadings[:, k]
    return mixed


def sample_nuisance(seed: int, identities: Tensor, images: Tensor, strength: float = 1.0) -> Tensor:
    """Draw the circumstances of photographs.

    Args:
        seed: of the photographs.
        identities: (N,) int64 identity numbers.
        images: (N,) int64 image numbers within the identity.
        strength: scale of everything that is not the person, [0, 2] or so; 0 is the same studio shot every time.

    Returns:
        (N, Q) float32; each row depends on (seed, identity number, image number) only.
    """
    # Two numbers become one id by hashing the first: no pair of small numbers collides.
    streams = Rng(seed, "rendering", "photograph").bits(identities, ()) + images
    drawn = Rng(seed, "rendering", "nuisance").normal(streams, (len(NUISANCE_NAMES),))
    return strength * drawn.clamp(-2.6, 2.6)


class Columns:
    """Named columns of a parameter matrix, shaped to broadcast against (N, h, w) maps and bounded."""

    def __init__(self, values: Tensor, names: tuple[str, ...]) -> None:
        # A far-out parameter saturates instead of turning the head inside out.
        self._values = 3.2 * torch.tanh(values / 3.2)
        self._index = {name: i for i, name in enumerate(names)}

    def __getitem__(self, name: str) -> Tensor:
        """(N, 1, 1) float32 in (-3.2, 3.2)."""
        return self._values[:, self._index[name]].reshape(-1, 1, 1)
