"""Whether a published face keeps its geometry: where a landmark network finds the points in it and in the original.

  landmark_error   mean distance of the points, in distances of the eyes (the NME of face alignment)

The network is trained on the public faces (`bench/zoo/landmarks.py`), so no defence has learnt to please it. An
original compared with itself has 0, whatever the network's own error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...core.errors import InputError
from ...core.faces import resize
from ...core.registry import register_measurement
from ...metrics.geometry import landmark_error
from ...record.metrics import Metric
from ...record.results import Row
from ...zoo.landmarks import LandmarkSettings, landmark_network
from ..base import Kept
from ..case import Case
from ..public_networks import public_context
from ..rows import Rules, absent, measured, row_of
from .base import OfPublished


@register_measurement("geometry")
class Geometry(OfPublished):
    """Absent with the reason where the data set knows no landmarks."""

    metrics: ClassVar = (
        Metric("landmark_error", "distances of the eyes", "lower", "How far the face's points have moved."),
    )

    def observe(self, case: Case) -> Kept:
        """``error`` (V,) of each picture, or ``absent``, the reason."""
        context = public_context(case.session, "landmarks of others")
        try:
            net = landmark_network(case.faces("public"), context, LandmarkSettings())
        except InputError as error:
            return {"absent": np.array(str(error))}

        @torch.no_grad()
        def points(images: Tensor) -> Tensor:
            return net.landmarks(resize(images, context.resolution).to(context.device)).cpu()

        return {"error": landmark_error(points(case.shown.images), points(case.shown.originals)).numpy()}

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        (metric,) = self.metrics
        if "absent" in kept:
            yield absent(row_of(metric), str(kept["absent"]))
        else:
            yield measured(metric, row_of(metric), rules.mean(kept["error"]))
