"""Where the features of a face sit on the map: identity and expression turned into (s, t) positions and sizes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .parameters import IDENTITY_NAMES, NUISANCE_NAMES, Columns, FaceParameters


@dataclass(frozen=True)
class Layout:
    """Positions and half sizes in stereographic units (0.1 is about 16 mm at the eyes), (N, 1, 1) each.

    Attributes:
        who, how: the bounded identity and nuisance columns.
    """

    who: Columns
    how: Columns
    male: Tensor  # [0, 1]
    smile: Tensor  # [-0.5, 1.3]
    mouth_open: Tensor  # [0, 1.1]
    eye_s: Tensor
    eye_t: Tensor
    eye_half: Tensor  # half width of the opening between the lids
    eye_up: Tensor  # height of the upper lid above the eye's centre, in eye_half
    eye_down: Tensor
    brow_t: Tensor
    nose_s: Tensor
    tip_t: Tensor
    wing_s: Tensor
    mouth_s: Tensor
    mouth_t: Tensor
    mouth_half: Tensor
    corner_lift: Tensor
    gap: Tensor  # opening between the lips
    lip_up: Tensor
    lip_down: Tensor
    chin_t: Tensor

    def eye(self, side: int) -> tuple[Tensor, Tensor]:
        """Centre (s, t) of the eye on the viewer's left (-1) or right (+1)."""
        return side * self.eye_s, self.eye_t + side * 0.006 * self.who["asymmetry_eyes"]


def layout(parameters: FaceParameters) -> Layout:
    """Place the features of each face."""
    who = Columns(parameters.identity, IDENTITY_NAMES)
    how = Columns(parameters.nuisance, NUISANCE_NAMES)
    smile = (0.12 + 0.55 * how["smile"]).clamp(-0.5, 1.3)
    mouth_open = (0.45 * how["mouth_open"] - 0.05).clamp(0, 1.1)
    closure = (0.45 * how["eye_closure"] - 0.25).clamp(0, 1)
    opening = 0.36 + 0.055 * who["eye_opening"] + 0.04 * how["brow_raise"] - 0.05 * smile
    tip_t = -0.165 - 0.014 * who["nose_length"] + 0.006 * who["nose_upturn"]
    mouth_t = -0.365 - 0.011 * who["mouth_height"] - 0.004 * who["nose_length"]
    return Layout(
        who=who, how=how, male=((who["sex"] * 1.2 + 1) / 2).clamp(0, 1), smile=smile, mouth_open=mouth_open,
        eye_s=0.192 + 0.009 * who["eye_distance"], eye_t=0.006 * who["eye_height"],
        eye_half=0.094 + 0.007 * who["eye_size"], eye_up=opening.clamp(0.14, 0.6) * (1 - closure),
        eye_down=(0.24 + 0.02 * who["eye_opening"] - 0.05 * smile).clamp(0.1, 0.4),
        brow_t=0.132 + 0.011 * who["brow_height"] + 0.013 * how["brow_raise"] - 0.008 * how["frown"],
        nose_s=0.007 * who["asymmetry_nose"], tip_t=tip_t, wing_s=0.062 + 0.008 * who["nose_width"] + 0.006 * smile,
        mouth_s=0.006 * who["asymmetry_mouth"], mouth_t=mouth_t,
        mouth_half=0.135 + 0.011 * who["mouth_width"] + 0.022 * smile - 0.010 * mouth_open,
        corner_lift=0.024 * smile - 0.016 + 0.006 * who["mouth_corners"],
        gap=0.10 * mouth_open + 0.022 * smile.clamp(0, 1),
        lip_up=(0.030 + 0.007 * who["lip_upper"] - 0.006 * smile).clamp(min=0.010),
        lip_down=(0.040 + 0.008 * who["lip_lower"] - 0.006 * smile).clamp(min=0.014),
        chin_t=-0.535 - 0.018 * who["chin_length"] - 0.055 * mouth_open,
    )  # fmt: skip
