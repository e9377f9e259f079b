"""How often somebody would be found by a recovery of *another* person: the floor under rank-k, as an expectation.

Shuffling the recoveries once (`reidentification.shuffled`) draws one sample of this number, which is zero in most small
galleries; here every other person's recovery is tried on everybody. So are recoveries of nobody: the mean face, and
what an attack makes of random vectors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from .arrays import MetricInputError, Rng, check_labels
from .intervals import Interval, wilson
from .reidentification import IdentityRates, risk_ratio


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
        `times_rivals`. ``counts`` are the recoveries of others; ``micro`` is over all (person, recovery) pairs.

    Raises:
        MetricInputError: wrong shapes, NaN, one person only, a person without a gallery image, or a k out of range.
    """
    scores = _checked(similarity)
    people, person = np.unique(check_labels(probe_identity, len(scores), "probe_identity"), return_inverse=True)
    if len(people) < 2:
        raise MetricInputError("recoveries of one person only; pass those of two persons or more")
    ranks = _ranks(scores, people, gallery_identity, ks)
    return {name: _of_others(ranks <= k, person, people) for name, k in ks.items()}


def stranger_rates(
    similarity: npt.ArrayLike, people: npt.ArrayLike, gallery_identity: npt.ArrayLike, ks: Mapping[str, int]
) -> dict[str, IdentityRates]:
    """Rank-k rates of recoveries that are of nobody in the gallery: a mean face, what comes of random vectors.

        value_i = 1/n sum_b 1[ rank of person i by recovery b <= k ]

    Where everybody in the gallery is asked after, the mean over them is k / G but for ties: a recovery has k first
    places to give, to whomever. It differs from that where only some are, or some are always found.

    Args:
        similarity: (n, m) scores of n recoveries against m gallery images; -inf = failure.
        people: (I,) labels of those who are looked for, all in the gallery; each counts once.
        gallery_identity: (m,) labels of G identities.
        ks: k by name, each in 1 .. G.

    Returns:
        By name, per identity of ``people``, sorted.

    Raises:
        MetricInputError: wrong shapes, NaN, a person without a gallery image, or a k out of range.
    """
    scores = _checked(similarity)
    each = np.unique(np.asarray(people))
    ranks = _ranks(scores, each, gallery_identity, ks)
    counts = np.full(len(each), len(scores))
    values = {name: (ranks <= k).mean(0) for name, k in ks.items()}
    return {
        name: IdentityRates(each, one, counts, float(one.mean()), float(one.mean())) for name, one in values.items()
    }


def times_rivals(
    values: npt.ArrayLike, rivals: npt.ArrayLike, rng: Rng, resamples: int = 2000, level: float = 0.95
) -> Interval | None:
    """`risk_ratio` of rates over those of `rival_rates`, also where nobody was found; None where neither finds anybody.

    An attack that finds nobody has a ratio of 0, and the bootstrap would make a point of it: its upper end is the
    Wilson end of its rate over the baseline's.

    Args:
        values: (I,) per-identity rates of the attack, in [0, 1].
        rivals: (I,) those of `rival_rates`.
        rng: numpy Generator or int seed.
        resamples: bootstrap draws.
        level: nominal coverage, fraction.

    Raises:
        MetricInputError: shapes differ, or rates outside [0, 1].
    """
    own, base = np.asarray(values, dtype=np.float64), np.asarray(rivals, dtype=np.float64)
    if own.any() or not base.any():
        return risk_ratio(own, base, rng, resamples, level) if own.any() else None
    return Interval(0.0, 0.0, wilson(0, own.size, level).hi / float(base.mean()), "wilson-bound", own.size, level)


def _checked(similarity: npt.ArrayLike) -> npt.NDArray[np.float64]:
    scores = np.asarray(similarity, dtype=np.float64)
    if scores.ndim != 2 or 0 in scores.shape or np.isnan(scores).any():
        raise MetricInputError(f"similarity is {scores.shape} (or has NaN); pass (probes, gallery), failures as -inf")
    return scores


def _ranks(
    scores: npt.NDArray[np.float64], people: npt.NDArray[np.generic], gallery_identity: npt.ArrayLike,
    ks: Mapping[str, int],
) -> npt.NDArray[np.float64]:  # fmt: skip
    """(n, I) rank of each of the sorted ``people`` by every recovery; ties count against the attacker."""
    gallery = check_labels(gallery_identity, scores.shape[1], "gallery_identity")
    labels, codes = np.unique(gallery, return_inverse=True)
    place = np.searchsorted(labels, people).clip(max=len(labels) - 1)
    if not len(people) or (labels[place] != people).any():
        raise MetricInputError(
            f"{len(people)} persons, of whom {int((labels[place] != people).sum())} have no gallery image; pass "
            "persons who are enrolled"
        )
    if not ks or min(ks.values()) < 1 or max(ks.values()) > len(labels):
        raise MetricInputError(
            f"ks is {dict(ks)} in a gallery of {len(labels)} identities; pass 1 <= k <= {len(labels)}"
        )
    order = np.argsort(codes, kind="stable")
    best = np.maximum.reduceat(scores[:, order], np.searchsorted(codes[order], np.arange(len(labels))), axis=1)
    return rankdata(-best, method="max", axis=1)[:, place]  # type: ignore[no-any-return]


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
