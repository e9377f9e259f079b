"""What others can make of a published face: attribute editors run on it, and whether the edit still shows the person.

Whoever edits trains editors of their own on public faces (`bench/zoo/editors.py`); a defence has trained its own on the
train split, so these are strangers to it. Each picture is edited towards each attribute turned
over. With y the edit of the original, y' that of the published picture and m the features of the face in the crop:
  edit_identity   share of edits of the published picture that the judge takes for another photograph of the person;
  edit_identity_unprotected   the same of edits of the original: what there was to protect;
  edit_distance   mean (2 y' - 2 y)^2 over m, pixels in [-1, 1]: ID-Guard's L2 of the face (arXiv 2409.13349);
  edit_disrupted  share of edits with edit_distance above 0.05, its success rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import torch
from torch import Tensor

from .core.crop import BROWS, EYES, MOUTH, NOSE, covered
from .core.errors import InputError
from .core.faces import resize
from .core.nets.editor import Kind
from .judges import Judge
from .metrics.reidentification import sar_type2
from .public_nets import public_context
from .schema import Row
from .session import Session
from .zoo.editors import EditorSettings, attribute_editor, attribute_table

if TYPE_CHECKING:
    from .publication import Published
    from .scoring import Scored, Summary

DISRUPTED = 0.05
METRICS = ("edit_identity", "edit_identity_unprotected", "edit_distance", "edit_disrupted")
_BATCH = 64


def edit_rows(session: Session, shown: Published, judges: list[Judge], scored: Scored, summarise: Summary) -> None:
    """Append the rows of all editors together; absent with the reason where nothing is known of the public faces."""
    try:
        before, after = (_edited(session, shown, images) for images in (shown.originals, shown.images))
    except InputError as error:
        scored.absent |= dict.fromkeys(METRICS, str(error))
        scored.rows += [{"metric": metric, "split": "victims", "status": "absent"} for metric in METRICS]
        return
    owner = shown.owner
    mask = covered((*EYES, *BROWS, *NOSE, *MOUTH), *after.shape[-2:])
    distance = (4 * (after - before).square()[..., mask]).mean((2, 3)).numpy()  # (E, V)
    for metric, values, unit, up in (
        ("edit_distance", distance.mean(0), "squared, [-1, 1]", True),
        ("edit_disrupted", (distance > DISRUPTED).mean(0), "fraction", True),
    ):
        row = {"metric": metric, "split": "victims", "unit": unit}
        scored.rows.append(row | summarise(values.astype(float), rate=unit == "fraction", up=up))
    for judge in judges:
        for metric, images in (("edit_identity", after), ("edit_identity_unprotected", before)):
            scored.rows += _identity(session, judge, shown, images, owner, metric, summarise)


def _identity(
    session: Session, judge: Judge, shown: Published, edited: Tensor, owner: np.ndarray, metric: str, summarise: Summary
) -> list[Row]:
    """SAR Type-II of (E, V, 3, H, W) edits at the headline FMR."""
    fmr = session.track.protocol.headline_fmr
    threshold = judge.thresholds.get(fmr)
    row = {"metric": metric, "judge": judge.name, "split": "victims", "unit": "fraction", "fmr": fmr}
    if threshold is None:
        return [row | {"status": "refused", "ci_method": "too few false accepts"}]
    same = shown.others()
    edits = len(edited)
    similarity = judge.embed(edited.flatten(0, 1)) @ judge.embeddings(shown.faces.name).numpy().T
    leak, photograph = np.nonzero(np.tile(same, (edits, 1)))
    rates = sar_type2(similarity[leak, photograph], np.tile(owner, edits)[leak], threshold.value)
    return [row | {"threshold": threshold.value} | summarise(rates.values, up=False)]


def _edited(session: Session, shown: Published, images: Tensor) -> Tensor:
    """(E, V, 3, s, s): each picture by each editor towards each attribute turned over."""
    settings, side = EditorSettings(), session.track.protocol.resolution
    own = attribute_table(shown.faces, settings.edited)[shown.index]
    wanted = [own.clone() for _ in settings.edited]
    for place, one in enumerate(wanted):
        one[:, place] = 1 - one[:, place]
    small = resize(images, side).split(_BATCH)
    parts = []
    for kind in get_args(Kind):
        editor = public_editor(session, kind, settings)
        with torch.no_grad():
            for one in wanted:
                batches = zip(small, one.split(_BATCH))
                parts.append(torch.cat([editor(x.to(session.device), c.to(session.device)).cpu() for x, c in batches]))
    return torch.stack(parts).clamp(0, 1)


def public_editor(session: Session, kind: Kind, settings: EditorSettings) -> torch.nn.Module:
    """The adversary's editor of that kind, trained on the public faces once."""
    return attribute_editor(session.faces("public"), public_context(session, "editors of others"), settings, kind)
