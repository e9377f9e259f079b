"""Whether a published face keeps its geometry: where a landmark network finds the points in it and in the original.

  landmark_error   mean distance of the points, in distances of the eyes (the NME of face alignment)

The network is trained on the public faces (`bench/zoo/landmarks.py`), so no defence has learnt to please it. An
original compared with itself has 0, whatever the network's own error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .core.errors import InputError
from .core.faces import resize
from .metrics.geometry import landmark_error
from .public_nets import public_context
from .session import Session
from .zoo.landmarks import LandmarkSettings, landmark_network

if TYPE_CHECKING:
    from .publication import Published
    from .scoring import Scored, Summary

METRIC = "landmark_error"


def geometry_rows(session: Session, shown: Published, scored: Scored, summarise: Summary) -> None:
    """Append the row; absent with the reason where the data set knows no landmarks."""
    context = public_context(session, "landmarks of others")
    try:
        net = landmark_network(session.faces("public"), context, LandmarkSettings())
    except InputError as error:
        scored.absent[METRIC] = str(error)
        scored.rows.append({"metric": METRIC, "split": "victims", "status": "absent"})
        return

    @torch.no_grad()
    def points(images: Tensor) -> Tensor:
        return net.landmarks(resize(images, context.resolution).to(session.device)).cpu()

    apart = landmark_error(points(shown.images), points(shown.originals)).numpy()
    row = {"metric": METRIC, "split": "victims", "unit": "distances of the eyes"}
    scored.rows.append(row | summarise(apart, rate=False, up=False))
