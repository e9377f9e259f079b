"""Parametric faces as lit three-dimensional heads, with everything about them known."""

from .canvas import PART_NAMES
from .describe import ATTRIBUTE_NAMES, attributes, captions
from .landmarks import LANDMARK_NAMES, heat_maps
from .parameters import IDENTITY_NAMES, NUISANCE_NAMES, FaceParameters, sample_identity, sample_nuisance
from .render import Rendering, render

__all__ = [
    "ATTRIBUTE_NAMES",
    "IDENTITY_NAMES",
    "LANDMARK_NAMES",
    "NUISANCE_NAMES",
    "PART_NAMES",
    "FaceParameters",
    "Rendering",
    "attributes",
    "captions",
    "heat_maps",
    "render",
    "sample_identity",
    "sample_nuisance",
]
