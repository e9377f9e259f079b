"""Keys of persons: how the system verifies when impostors hold the key of whom they claim to be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
import torch

from ..core.leaks import leak_take
from ..core.registry import register_measurement
from ..core.seeding import Rng
from ..metrics.verification import eer
from ..record.metrics import Metric
from ..record.results import Row
from .base import Kept, Measurement
from .case import Case
from .enrolment import compare_pairs, genuine_pairs, impostor_pairs
from .evidence import calibrated, tail
from .rows import Rules, at_rates, counted, row_of

_EER = Metric("eer_stolen_key", "fraction", "lower", "Equal error rate against impostors who hold the key of whom they "
              "claim to be.", heading="EER, key stolen")  # fmt: skip
_FMR = Metric("fmr_stolen_key", "fraction", "lower", "Such impostors who pass at the threshold that was set on "
              "impostors with keys of their own.", per=frozenset({"fmr"}), heading="FMR, key stolen")  # fmt: skip
_MOST = 20_000  # impostor pairs that are compared


@register_measurement("stolen-keys")
class StolenKeys(Measurement):
    """Two-factor error rates say little of the template: the second impostor has the first factor."""

    metrics: ClassVar = (_EER, _FMR)
    looks_at: ClassVar[Literal["recovery", "system"]] = "system"

    def skip(self, case: Case) -> str:
        if case.protocol.measures != "verification":
            return "Published pictures have no templates."
        return "" if case.system.person_keyed else "No person has a key of their own."

    def observe(self, case: Case) -> Kept:
        """``genuine`` scores, ``stolen`` ones of impostors, each with its owner, and the ``tail`` of honest ones."""
        both = case.enrolled(case.system, "victims")
        genuine = genuine_pairs(both.faces)
        a, b = impostor_pairs(both.faces, case.cell.seed)
        if len(a) > _MOST:
            chosen = np.sort(Rng(case.cell.seed, "stolen keys").numpy().choice(len(a), _MOST, replace=False))
            a, b = a[chosen], b[chosen]
        kept = tail(*case.impostors(case.system, "calibration"), case.protocol.fmrs)
        kept |= {"genuine": compare_pairs(case.system, both, *genuine), "stolen": self._stolen(case, a, b)}
        return kept | {"owner": both.faces.labels.numpy()[a]}

    @torch.no_grad()
    def _stolen(self, case: Case, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """(P,) scores of templates at ``a`` against probes of the pictures at ``b`` under the key of ``a``'s person."""
        session, system = case.session, case.system
        faces, source = session.faces("victims"), session.installation(case.cell.seed)
        if system.embedding_fixed:
            z = session.pipeline_embeddings(case.alias)(system, faces, source)
        else:
            z = session.fresh_embeddings(system, case.alias, faces, source, 101)
        left, right = torch.as_tensor(a), torch.as_tensor(b)
        draw = source.draw(faces.ids[right], 101, faces.people[left])
        probes = system.probe(z[right].to(session.device), draw)
        templates = leak_take(case.enrolled(system, "victims").templates, left)
        return system.compare(templates, probes).float().cpu().numpy()

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        yield counted(_EER, row_of(_EER), eer(kept["genuine"], kept["stolen"]), len(kept["stolen"]), "impostor pairs")
        drawn = Rules(rules.protocol, 0)
        yield from at_rates(_FMR, kept["stolen"], kept["owner"], calibrated(kept), drawn)
