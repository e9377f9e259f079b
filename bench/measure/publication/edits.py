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

from collections.abc import Iterator
from typing import ClassVar, get_args

import numpy as np
import torch
from torch import Tensor

from ...core.crop import BROWS, EYES, MOUTH, NOSE, covered
from ...core.errors import InputError
from ...core.faces import resize
from ...core.nets.editor import Kind
from ...core.registry import register_measurement
from ...prepare.session import Session
from ...record.metrics import Metric
from ...record.results import Row
from ...zoo.editors import EditorSettings, attribute_editor, attribute_table
from ..base import Kept
from ..case import Case
from ..evidence import below, calibrated, judges_in, under
from ..public_networks import public_context
from ..rows import Rules, absent, at_rates, measured, row_of
from ..shown import Published
from .base import OfPublished

DISRUPTED = 0.05
_BATCH = 64
_RATE = frozenset({"judge", "fmr"})
_PROTECTED = Metric("edit_identity", "fraction", "lower", "Edits of the published picture that pass as the person.",
                    per=_RATE)  # fmt: skip
_PLAIN = Metric("edit_identity_unprotected", "fraction", "lower", "Edits of the original that pass as the person.",
                per=_RATE)  # fmt: skip
_DISTANCE = Metric("edit_distance", "squared, [-1, 1]", "higher", "How far the two edits lie apart.")
_DISRUPTED = Metric("edit_disrupted", "fraction", "higher", "Edits that the defense spoils.")


@register_measurement("edits")
class Edits(OfPublished):
    """All editors together; absent with the reason where nothing is known of the public faces."""

    metrics: ClassVar = (_PROTECTED, _PLAIN, _DISTANCE, _DISRUPTED)

    def observe(self, case: Case) -> Kept:
        """``distance`` (E, V) of the edits; ``owner`` (P,) of the compared pairs, with by ``JUDGE/`` the calibration
        tail and ``after`` and ``before`` (P,), scores of edits against other photographs of the person. Or ``absent``.
        """
        shown = case.shown
        try:
            before, after = (edited(case.session, shown, images) for images in (shown.originals, shown.images))
        except InputError as error:
            return {"absent": np.array(str(error))}
        mask = covered((*EYES, *BROWS, *NOSE, *MOUTH), *after.shape[-2:])
        edit, photograph = np.nonzero(np.tile(shown.others(), (len(after), 1)))
        kept = {
            "distance": (4 * (after - before).square()[..., mask]).mean((2, 3)).numpy(),
            "owner": np.tile(shown.owner, len(after))[edit],
        }
        for judge in shown.judges:
            known = judge.embeddings(shown.faces.name).numpy()
            scores = dict(judge.tail)
            for name, images in (("after", after), ("before", before)):
                scores[name] = (judge.embed(images.flatten(0, 1)) @ known.T)[edit, photograph]
            kept |= under(judge.name, scores)
        return kept

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        if "absent" in kept:
            yield from (absent(row_of(metric), str(kept["absent"])) for metric in self.metrics)
            return
        distance, fmr = kept["distance"], rules.protocol.headline_fmr
        yield measured(_DISTANCE, row_of(_DISTANCE), rules.mean(distance.mean(0).astype(float)))
        spoilt = (distance > DISRUPTED).mean(0).astype(float)
        yield measured(_DISRUPTED, row_of(_DISRUPTED), rules.mean(spoilt, rate=True))
        for judge in judges_in(kept):
            own = below(judge, kept)
            known = calibrated(own)
            for metric, name in ((_PROTECTED, "after"), (_PLAIN, "before")):
                yield from at_rates(metric, own[name], kept["owner"], known, rules, fmrs=[fmr], judge=judge)


def edited(session: Session, shown: Published, images: Tensor) -> Tensor:
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
