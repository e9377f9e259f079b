"""From the scores that a cell has kept to the rows that follow from them, without data, weights or templates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from .attributes import attribute_rows
from .core.seeding import Rng
from .metrics import reidentification as reid
from .metrics.intervals import Interval, bootstrap_identities
from .metrics.thresholds import TooFewFalseAccepts, calibrate
from .metrics.unlinkability import d_sys, maximal_linkability, permutation_null, renewability
from .metrics.verification import eer, tenfold_accuracy
from .track import Protocol


class Key(NamedTuple):
    """Which row of a cell; ``fmr`` is NaN-free: -1 where a metric has none."""

    metric: str
    judge: str
    split: str
    fmr: float


Columns = dict[str, float]
Rows = dict[Key, Columns]
Kept = Mapping[str, np.ndarray]
Thresholds = Mapping[float, float | None]


class Recompute:
    """The rows of one cell.

    Args:
        protocol: of the run.
        seed: of the cell.

    Attributes:
        rows: what has been computed so far; a row whose threshold was refused has no columns.
    """

    def __init__(self, protocol: Protocol, seed: int) -> None:
        self.protocol, self.seed = protocol, seed
        self.rows: Rows = {}

    def add(self, metric: str, columns: Columns, judge: str = "", split: str = "victims", fmr: float = -1.0) -> None:
        """Note a row."""
        self.rows[Key(metric, judge, split, fmr)] = columns

    def thresholds(self, kept: Kept, place: str = "") -> dict[float, float | None]:
        """Per FMR, from the largest impostor scores; None where too few false accepts stand behind it."""
        tail, count = kept[f"{place}tail"], int(kept[f"{place}tail_of"])
        scores = np.concatenate([tail, np.full(count - len(tail), -np.inf, tail.dtype)])
        found: dict[float, float | None] = {}
        for fmr in self.protocol.fmrs:
            try:
                found[fmr] = calibrate(scores, fmr).value
            except TooFewFalseAccepts:
                found[fmr] = None
        return found

    def leaked_photographs(self, scores: pd.DataFrame, thresholds: Mapping[str, Thresholds]) -> None:
        """SAR Type-I and cosine, from the scores against the very photographs that leaked."""
        for judge, part in scores.groupby("judge", sort=False):
            # Identities are numbered in the order in which they leaked, as when they were scored.
            same, owner = part["score_same"].to_numpy(), pd.factorize(part["identity"])[0]
            for fmr, threshold in thresholds[str(judge)].items():
                rates = None if threshold is None else reid.sar_type1(same, owner, threshold).values
                self._rate("sar_type1", rates, threshold, str(judge), "victims", fmr)
            self.add("cosine", self._mean(same, owner), str(judge))

    def attack(self, kept: Kept, thresholds: Mapping[str, Thresholds]) -> None:
        """SAR Type-II, rank-k and what pictures were like."""
        for place in sorted({name.rsplit("/", 1)[0] for name in kept if name.endswith("/owner")}):
            judge, split = place.rsplit("/", 1)
            owner, leak, other = (kept[f"{place}/{name}"] for name in ("owner", "leak", "other"))
            for fmr, threshold in thresholds[judge].items():
                rates = None if threshold is None else reid.sar_type2(other, owner[leak], threshold).values
                self._rate("sar_type2", rates, threshold, judge, split, fmr)
            if split == "victims":
                self._ranks(judge, kept[f"{place}/gallery"], owner, kept[f"{place}/gallery_owner"])
        for metric in {"psnr", "ssim"} & set(kept):
            judge = next(iter(thresholds))
            self.add(metric, self._mean(kept[metric], kept[f"{judge}/victims/owner"]))

    def attributes(self, kept: Kept) -> None:
        """What was read of the victims, attribute by attribute; a row that was absent has no number to compare."""
        for row, found in attribute_rows(kept, self._rng, self.protocol.bootstrap, self.protocol.level):
            if found is not None:
                self.add(row["metric"], _columns(found))

    def _ranks(self, judge: str, similarity: np.ndarray, probe: np.ndarray, owner: np.ndarray) -> None:
        hits = {k: reid.rank_k(similarity, probe, owner, k) for k in (1, 5, 20) if k < len(owner)}
        for k, found in hits.items():
            self.add(f"rank{k}", self._interval(reid.by_identity(found, probe).values), judge)
        if not hits:
            return
        first = self.rows[Key("rank1", judge, "victims", -1.0)]
        ends = {name: reid.lift(first[name], len(owner)) for name in ("value", "ci_lo", "ci_hi")}
        self.add("rank1_chance", {"value": reid.chance(1, len(owner)), "n": len(owner)}, judge)
        self.add("rank1_lift", first | ends, judge)
        mixed = reid.by_identity(
            reid.rank_k(similarity[reid.shuffled(probe, self._rng())], probe, owner, 1), probe
        ).values
        self.add("rank1_shuffled", self._interval(mixed), judge)
        rates = reid.by_identity(hits[1], probe).values
        if rates.any() and mixed.any():
            ratio = reid.risk_ratio(rates, mixed, self._rng(), self.protocol.bootstrap, self.protocol.level)
            self.add("risk_ratio", _columns(ratio), judge)

    def publication(self, kept: Kept) -> None:
        """Whom each judge finds in published pictures."""
        for judge in judges_in(kept):
            place = f"{judge}/published/"
            own = {name.removeprefix(place): part for name, part in kept.items() if name.startswith(place)}
            owner = own["owner"]
            for metric, name, people in (
                ("rank1_originals", "gallery", own["gallery_owner"]), ("rank1_published", "again", owner)
            ):  # fmt: skip
                hits = reid.by_identity(reid.rank_k(own[name], owner, people, 1), owner).values
                self.add(metric, self._interval(hits), judge)
            self.add("rank1_published_chance", {"value": reid.chance(1, len(owner)), "n": len(owner)}, judge)
            if "near" in own:
                first = own["near"].max(1) > own["gallery"].max(1)
                self.add("rank1_decoy", self._interval(first.astype(float)), judge)
            for fmr, threshold in self.thresholds(kept, f"{judge}/").items():
                hidden = None
                if threshold is not None:
                    hidden = 1 - reid.sar_type2(own["other"], owner[own["leak"]], threshold).values
                self._rate("psr_dodging", hidden, threshold, judge, "victims", fmr)
                for metric, name in (("psr_impersonation", "near"), ("psr_impersonation_unprotected", "plain")):
                    if name in own and threshold is not None:
                        passed = (own[name].max(1) > threshold).astype(float)
                        self._rate(metric, passed, threshold, judge, "victims", fmr)
            for metric in ("psnr", "ssim"):
                self.add(metric, self._mean(kept[metric], owner))

    def utility(self, kept: Kept) -> None:
        """Accuracy, EER, TAR, and what templates under several keys tell."""
        split, thresholds = str(kept["pairs_split"]), self.thresholds(kept)
        folds = [tenfold_accuracy(kept[name], kept["pairs_same"], kept["pairs_fold"])
                 for name in ("pairs", "pairs_plain") if name in kept]  # fmt: skip
        own, error = folds[0].mean, 1.96 * folds[0].standard_error
        interval = {"ci_lo": own - error, "ci_hi": min(1.0, own + error), "n": len(kept["pairs"])}
        self.add("accuracy", {"value": own, **interval}, split=split)
        if len(folds) > 1:
            self.add("accuracy_undefended_difference", {"value": own - folds[1].mean})
        self.add("eer", {"value": eer(kept["genuine"], kept["impostor"])})
        for fmr, threshold in thresholds.items():
            hits = (
                None
                if threshold is None
                else reid.by_identity(kept["genuine"] > threshold, kept["genuine_owner"]).values
            )
            self._rate("tar", hits, threshold, "", "victims", fmr, seed=0)
        if "mated" in kept:
            self._linkability(kept, thresholds.get(self.protocol.headline_fmr))

    def _linkability(self, kept: Kept, threshold: float | None) -> None:
        mated, other = kept["mated"], kept["other"]
        rng = Rng(self.seed, "linkability").numpy()
        for name, measure in (("d_sys", d_sys), ("max_linkability", maximal_linkability)):
            null = permutation_null(mated, other, measure, rng)
            self.add(name, {"value": measure(mated, other), "n": len(mated)})
            self.add(f"{name}_null", {"value": null.mean, "ci_hi": null.quantile})
        if threshold is not None:
            found = renewability(mated, kept["impostor"], threshold)
            fmr = self.protocol.headline_fmr
            self.add("renewability_fmr", {"value": found.fmr, "threshold": threshold}, fmr=fmr)
            self.add("renewability_ks", {"value": found.ks})

    def _rate(
        self,
        metric: str,
        values: np.ndarray | None,
        threshold: float | None,
        judge: str,
        split: str,
        fmr: float,
        seed: int | None = None,
    ) -> None:
        columns = {} if values is None or threshold is None else self._interval(values, seed=seed)
        self.add(metric, columns | ({} if threshold is None else {"threshold": threshold}), judge, split, fmr)

    def _mean(self, values: np.ndarray, owner: np.ndarray) -> Columns:
        return self._interval(pd.Series(values).groupby(owner).mean().to_numpy(), rate=False)

    def _interval(self, values: np.ndarray, *, rate: bool = True, seed: int | None = None) -> Columns:
        protocol = self.protocol
        return _columns(bootstrap_identities(values, self._rng(seed), protocol.bootstrap, protocol.level, rate=rate))

    def _rng(self, seed: int | None = None) -> np.random.Generator:
        return Rng(self.seed if seed is None else seed, "bootstrap").numpy()


def _columns(interval: Interval) -> Columns:
    return {"value": interval.value, "ci_lo": interval.lo, "ci_hi": interval.hi, "n": interval.n}


def judges_in(kept: Kept) -> Iterable[str]:
    """The judges whose scores were kept, in the order in which they were."""
    return [name.removesuffix("/tail") for name in kept if name.endswith("/tail")]
