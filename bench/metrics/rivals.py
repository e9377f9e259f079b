"""How often somebody would be found by a recovery of *another* person: the floor under rank-k, as an expectation.

Shuffling the recoveries once (`reidentification.shuffled`) draws one sample of this number, which is zero in most small
galleries; here every other person's recovery is tried on everybody.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from .arrays import MetricInputError, check_labels
from .reidentification import IdentityRates


def depths(gallery: int) -> dict[str, int]:
    """The k at which ranks are read in a gallery of so many identities: 1, 5, 20 and one percent of it, below it.

    >>> depths(240)
    {'1': 1, '5': 5, '20': 20, '1%': 3}
    """
    found = {"1": 1, "5": 5, "20": 20, "1%": math.ceil(gallery / 100)}
    return {name: k for name, k in found.items() if k < gallery}


def rival_rates(
    similarity: npt.ArrayLike, probe_identity: npt.ArrayLike, gallery_identity: npt.ArrayLike, ks: Mapping[str, int]
) -> dict[str, IdentityRates]:
    """Rank-k rates of the recoveries of all other persons, exactly.

        value_i = 1/(|I| - 1) sum_{j != i} 1/n_j sum_b 1[ rank of person i by recovery b of person j <= k ]

    It is what `shuffled` gives on average where everybody has equally many recoveries. Ties count against the attacker,
    as in `true_ranks`.

    Args:
        similarity: (n, m) scores of n recoveries against m gallery images; -inf = failure.
        probe_identity: (n,) true identities of the recoveries, at least two persons, all in the gallery.
        gallery_identity: (m,) labels of G identities.
        ks: k by name, each in 1 .. G.

    Returns:
        By name, per identity of ``probe_identity``, sorted: pairs with `by_identity` of the attack's own hits for
        `risk_ratio`. ``counts`` are the recoveries of others; ``micro`` is over all (person, recovery) pairs.

    Raises:
        MetricInputError: wrong shapes, NaN, one person only, a person without a gallery image, or a k out of range.
    """
    scores = np.asarray(similarity, dtype=np.float64)
    if scores.ndim != 2 or 0 in scores.shape or np.isnan(scores).any():
        raise MetricInputError(f"similarity is {scores.shape} (or has NaN); pass (probes, gallery), failures as -inf")
    n, m = scores.shape
    people, person = np.unique(check_labels(probe_identity, n, "probe_identity"), return_inverse=True)
    labels, codes = np.unique(check_labels(gallery_identity, m, "gallery_identity"), return_inverse=True)
    place = np.searchsorted(labels, people).clip(max=len(labels) - 1)
    if len(people) < 2 or (labels[place] != people).any():
        raise MetricInputError(
            f"{len(people)} persons, of whom {int((labels[place] != people).sum())} have no gallery image; pass the "
            "recoveries of two persons or more, all enrolled"
        )
    if not ks or min(ks.values()) < 1 or max(ks.values()) > len(labels):
        raise MetricInputError(
            f"ks is {dict(ks)} in a gallery of {len(labels)} identities; pass 1 <= k <= {len(labels)}"
        )
    order = np.argsort(codes, kind="stable")
    best = np.maximum.reduceat(scores[:, order], np.searchsorted(codes[order], np.arange(len(labels))), axis=1)
    ranks = rankdata(-best, method="max", axis=1)[:, place]  # (n, I): of everybody, by every recovery
    return {name: _of_others(ranks <= k, person, people) for name, k in ks.items()}


def _of_others(
    hits: npt.NDArray[np.bool_], person: npt.NDArray[np.intp], people: npt.NDArray[np.generic]
) -> IdentityRates:
    """(n, I) hits of every recovery on everybody -> rates without one's own recoveries."""
    each = np.bincount(person)  # (I,) recoveries of each
    found = np.zeros((len(people), len(people)))
    np.add.at(found, person, hits.astype(np.float64))
    mean = found / each[:, None]  # (j, i): how often a recovery of j finds i
    own = np.arange(len(people))
    values = (mean.sum(0) - mean[own, own]) / (len(people) - 1)
    counts = len(person) - each
    micro = float((found.sum(0) - found[own, own]).sum() / counts.sum())
    return IdentityRates(people, values, counts, float(values.mean()), micro)
