"""How uncertain a small false match rate is, told by larger ones: what few false accepts cannot say of themselves.

At FMR 1e-3 sixty people have some thirty false accepts, mostly of the few who happen to score high with everybody.
Whether such people are among the sixty is chance, and where they are not, the sample does not know how much people
differ: its variance is smallest just where its rate is furthest off. At FMR 0.1 everybody has false accepts, and how
much people differ is seen well. It is carried over as a correlation r of normal scores (Gaussian copula): two
comparisons that share a person, or both, pass a threshold of rate p together with

    P = Phi2(z, z; r) = p - 2 T(z, sqrt((1 - r) / (1 + r))),   z = Phi^-1(p),  T Owen's function (1956)
    G(p, r) = P / p^2 - 1

Solved for r at the lending rate q, over the D1 ordered pairs of comparisons that share one person and the D2 of image
pairs of the same two people:

    G(q, r1) = sum_i (A_i^2 - sum_j A_ij^2) / (q^2 D1) - 1,   G(q, r2) = sum_{i<j} A_ij (A_ij - 1) / (q^2 D2) - 1

Then at p, of N comparisons, people have the part D1 G(p, r1) / N^2 of the relative variance of the rate, and pairs of
people (1 - p) / (p N) + D2 G(p, r2) / N^2. ``tests/coverages.py`` says what it is worth, also where the copula is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtri, owens_t

from .thresholds import allowed_accepts

LARGEST = 0.1  # the largest rate that lends: above it people differ in another way than in the tail
_HIGHEST = 0.999  # correlation


class Compared(NamedTuple):
    """Who is compared with whom: n comparisons of I people."""

    first: npt.NDArray[np.int64]  # (n,) the one person, from 0
    second: npt.NDArray[np.int64]  # (n,) the other
    pair: npt.NDArray[np.int64]  # (n,) a number for the two, below I^2
    people: int  # I

    def by_pair(self, hit: npt.NDArray[np.bool_] | slice = slice(None)) -> npt.NDArray[np.float64]:
        """(I^2,) comparisons of each two people, of all or some."""
        return np.bincount(self.pair[hit], minlength=self.people**2).astype(np.float64)

    def by_person(self, hit: npt.NDArray[np.bool_] | slice = slice(None)) -> npt.NDArray[np.float64]:
        """(I,) comparisons of each person, of all or some."""
        one, other = (np.bincount(side[hit], minlength=self.people) for side in (self.first, self.second))
        return (one + other).astype(np.float64)


def borrowed(
    scores: npt.NDArray[np.floating], ordered: npt.NDArray[np.floating], compared: Compared, fmrs: Sequence[float]
) -> npt.NDArray[np.float64]:
    """The relative variance of rates as larger rates tell it, of these for each the one that says most.

    Args:
        scores: (n,) similarities of comparisons of two people.
        ordered: (n,) the same, ascending.
        compared: whose they are.
        fmrs: F rates, fractions.

    Returns:
        (F, 2): the part of what comparisons that share one person have in common, and the rest, of pairs of people and
        of each comparison; zeros where no rate up to ``LARGEST`` is larger.
    """
    n, pairs = len(scores), compared.by_pair()
    shared = float(np.square(compared.by_person()).sum() - 2 * np.square(pairs).sum())
    alike = float((pairs * (pairs - 1)).sum())
    known: dict[float, tuple[float, float]] = {}
    for rate in {one for fmr in fmrs for one in lenders(fmr)}:
        hit = scores > ordered[n - 1 - min(allowed_accepts(rate, n), n - 1)]
        q = float(hit.mean())
        if 0 < q < 0.5:  # else ties are most of it
            own, people = compared.by_pair(hit), compared.by_person(hit)
            both = float(np.square(people).sum() - 2 * np.square(own).sum())
            one = correlation(q, both / (q * q * shared) - 1) if shared else 0.0
            two = correlation(q, float((own * (own - 1)).sum()) / (q * q * alike) - 1) if alike else 0.0
            known[rate] = one, two
    found = np.zeros((len(fmrs), 2))
    for place, fmr in enumerate(fmrs):
        for one, two in (known[rate] for rate in lenders(fmr) if rate in known):
            rest = (1 - fmr) / (fmr * n) + alike * together(fmr, two) / n**2
            parts = np.array([shared * together(fmr, one) / n**2, rest])
            found[place] = max(found[place], parts, key=np.sum)
    return found


def lenders(fmr: float) -> list[float]:
    """Ten times the rate, a hundred times, ... below ``LARGEST``, and that."""
    found, rate = [], float(f"{10 * fmr:.6g}")
    while rate < LARGEST:
        found.append(rate)
        rate = float(f"{10 * rate:.6g}")
    return [*found, LARGEST] if fmr < LARGEST else []


def together(p: float, r: float) -> float:
    """G: by how much two normal scores of correlation r pass a threshold of rate p together more often than p^2.

    >>> round(together(0.5, 0.5), 6)  # Phi2(0, 0; 1/2) = 1/3
    0.333333
    """
    z = ndtri(p)
    return float((p - 2 * owens_t(z, np.sqrt((1 - r) / (1 + r)))) / p**2 - 1)


def correlation(p: float, excess: float) -> float:
    """The r from 0 of which ``together`` gives ``excess`` at rate p."""
    if excess <= 0:
        return 0.0
    if excess >= together(p, _HIGHEST):
        return _HIGHEST
    return float(brentq(lambda r: together(p, r) - excess, 0.0, _HIGHEST, xtol=1e-9))
