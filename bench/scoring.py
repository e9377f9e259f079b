"""From what an attack recovered to the rows of a cell."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from . import flags
from .attributes import score_attributes
from .core.faces import resize
from .core.recovery import Recovery
from .core.seeding import Rng
from .core.surfaces import Surface
from .core.threat import DefenseKnowledge, RecognizerAccess
from .evidence import Kept, leak_scores, under
from .execute import Outcome
from .judges import Judge, judges_of
from .leaked import LeakedSet, gallery_of
from .metrics.distribution import frechet_distance
from .metrics.intervals import Interval, bootstrap_identities
from .metrics.quality import psnr, ssim
from .metrics.reidentification import (
    by_identity,
    chance,
    lift,
    rank_k,
    risk_ratio,
    sar_type1,
    sar_type2,
    shuffled,
)
from .perception import perceptual_rows
from .plan import Cell, make_attack
from .schema import Row
from .session import Session


@dataclass
class Scored:
    """A cell's rows and what is kept beside them."""

    rows: list[Row]
    flags: list[dict[str, str]] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    scores: pd.DataFrame | None = None
    kept: Kept = field(default_factory=dict)
    pictures: dict[str, Tensor] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    still_falling: float = 0.0


def score_attack(session: Session, cell: Cell, outcome: Outcome) -> Scored:
    """All rows of an attack cell: identity by every judge, picture quality, or attributes against chance; cost."""
    scored = Scored([], losses=outcome.losses, still_falling=outcome.still_falling)
    victims = outcome.leaked["victims"]
    recovery = outcome.recoveries["victims"]
    judges = judges_of(session, cell, recovery)
    scores = []
    for judge in judges:
        scored.kept |= under(judge.name, judge.tail)
        for split, part in outcome.leaked.items():
            rows, table, kept = identity_rows(session, cell, judge, part, outcome.recoveries[split], split)
            scored.kept |= under(f"{judge.name}/{split}", kept)
            if split == "victims":
                scored.rows += rows
                scores.append(table)
            else:
                scored.rows += [row for row in rows if row["metric"] == "sar_type2"]
    scored.scores = pd.concat(scores, ignore_index=True) if scores else None
    if recovery.attributes is not None:
        score_attributes(session, cell, victims, recovery.attributes, scored, columns_of)
    if recovery.images is not None:
        _score_pictures(session, cell, outcome, judges, scored)
    _cost(cell, outcome, scored)
    _raise_flags(session, cell, outcome, judges, scored)
    return scored


def identity_rows(
    session: Session, cell: Cell, judge: Judge, part: LeakedSet, recovery: Recovery, split: str
) -> tuple[list[Row], pd.DataFrame, Kept]:
    """SAR Type-I and Type-II at each FMR, cosine, and rank-k, macro-averaged by identity with intervals.

    SAR_I = mean over identities of mean over its leaks of 1[s(y, x) > t], x the photograph that leaked;
    SAR_II the same with every other photograph of the victim in place of x. t comes from calibration identities.
    """
    similarity = judge.similarity(recovery, part.faces.name)  # (L, N)
    labels, index = part.faces.labels.numpy(), part.index.numpy()
    owner = labels[index]
    same = similarity[np.arange(len(index)), index]  # (L,)
    others = part.photographs()
    leak_of, photo = np.nonzero(others)
    summarise = Summary(session, cell)
    rows: list[Row] = []
    for fmr in session.track.protocol.fmrs:
        threshold = judge.thresholds.get(fmr)
        for metric in ("sar_type1", "sar_type2"):
            base = {"metric": metric, "judge": judge.name, "split": split, "fmr": fmr, "unit": "fraction"}
            if threshold is None:
                rows.append(base | {"status": "refused", "ci_method": "too few false accepts"})
                continue
            if metric == "sar_type1":
                rates = sar_type1(same, owner, threshold.value)
            else:
                rates = sar_type2(similarity[leak_of, photo], owner[leak_of], threshold.value)
            rows.append(base | {"threshold": threshold.value} | summarise(rates.values))
    cosine = {"metric": "cosine", "judge": judge.name, "split": split, "unit": "cosine"}
    rows.append(cosine | summarise(per_identity(same, owner), rate=False))
    if split == "victims":
        rows += _rank_rows(judge, part, similarity, summarise)
    table = pd.DataFrame(
        {
            "judge": judge.name,
            "sample": [part.faces.samples[i] for i in index],
            "identity": [part.faces.identities[i] for i in index],
            "presentation": part.presentation.numpy(),
            "score_same": same,
            "score_others_mean": (similarity * others).sum(axis=1) / np.maximum(1, others.sum(axis=1)),
            "score_others_max": np.where(others, similarity, -np.inf).max(axis=1),
        }
    )
    return rows, table, leak_scores(part, similarity, split)


def per_identity(values: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """(I,) mean of ``values`` within each identity."""
    return pd.Series(values).groupby(owner).mean().to_numpy()


class Summary:
    """Per-identity values -> value and interval columns. The same resamples for every row of a seed."""

    def __init__(self, session: Session, cell: Cell) -> None:
        self.protocol, self.seed = session.track.protocol, cell.seed

    def rng(self) -> np.random.Generator:
        return Rng(self.seed, "bootstrap").numpy()

    def __call__(self, values: np.ndarray, *, rate: bool = True, up: bool = True) -> Row:
        found = bootstrap_identities(values, self.rng(), self.protocol.bootstrap, self.protocol.level, rate=rate)
        return columns_of(found, up)


def _rank_rows(judge: Judge, part: LeakedSet, similarity: np.ndarray, summarise: Summary) -> list[Row]:
    """Rank 1/5/20 in a gallery of one photograph per identity, never the one that leaked, and the ratio of rank 1 to
    that of shuffled recoveries (another victim's recovery scored as if it were this one's)."""
    faces = part.faces
    gallery = gallery_of(faces)  # everybody, also where only some leaked
    probe, owner = faces.labels[part.index].numpy(), faces.labels[gallery].numpy()
    rows: list[Row] = []
    rates: dict[int, np.ndarray] = {}
    base = {"judge": judge.name, "split": "victims", "unit": "fraction"}
    for k in (1, 5, 20):
        if k < len(gallery):
            rates[k] = by_identity(rank_k(similarity[:, gallery], probe, owner, k), probe).values
            rows.append(base | {"metric": f"rank{k}"} | summarise(rates[k]))
    if not rows:
        return rows
    level = chance(1, len(gallery))
    up = {name: lift(rows[0][name], len(gallery)) for name in ("value", "ci_lo", "ci_hi")}
    rows.append(base | {"metric": "rank1_chance", "value": level, "n": len(gallery), "n_unit": "gallery identities"})
    rows.append(rows[0] | {"metric": "rank1_lift", "unit": "x chance"} | up)
    other = shuffled(probe, summarise.rng())
    shuffle = by_identity(rank_k(similarity[other][:, gallery], probe, owner, 1), probe).values
    rows.append(base | {"metric": "rank1_shuffled"} | summarise(shuffle))
    if rates[1].any() and shuffle.any():
        ratio = risk_ratio(rates[1], shuffle, summarise.rng(), summarise.protocol.bootstrap, summarise.protocol.level)
        rows.append(base | {"metric": "risk_ratio"} | columns_of(ratio, True) | {"unit": "x shuffled"})
    return rows


def columns_of(interval: Interval, up: bool | None) -> Row:
    """An interval as columns; ``higher_is_better`` is the metric's own point of view, None where it has none."""
    return {
        "value": interval.value,
        "ci_lo": interval.lo,
        "ci_hi": interval.hi,
        "ci_method": interval.method,
        "n": interval.n,
        "n_unit": "identities",
        "higher_is_better": up,
    }


def _score_pictures(session: Session, cell: Cell, outcome: Outcome, judges: list[Judge], scored: Scored) -> None:
    """PSNR, SSIM, LPIPS, FID, KID and Frechet distances in the judges' features, at the recovery's resolution."""
    victims, y = outcome.leaked["victims"], outcome.recoveries["victims"].images
    assert y is not None
    x = resize(victims.faces.images(victims.index), y.shape[-1])
    owner = victims.faces.labels[victims.index].numpy()
    summarise = Summary(session, cell)

    def add(metric: str, values: Tensor, unit: str, up: bool) -> None:
        scored.kept[metric] = values.numpy()
        columns = summarise(per_identity(values.numpy(), owner), rate=False, up=up)
        scored.rows.append({"metric": metric, "split": "victims", "unit": unit} | columns)

    add("psnr", psnr(y, x), "dB", True)
    add("ssim", ssim(y, x), "1", True)
    perceptual_rows(y, x, owner, add, scored, Rng(cell.seed, "kid"))
    for judge in judges:
        value = frechet_distance(judge.embed(y), judge.embeddings(victims.faces.name)[victims.index].numpy())
        scored.rows.append(
            {"metric": f"fd_{judge.name}", "judge": judge.name, "split": "victims", "value": value, "n": len(y),
             "n_unit": "images", "unit": "squared distance", "higher_is_better": False}
        )  # fmt: skip
    _keep_pictures(session, outcome, judges, x, y, scored)


def _keep_pictures(
    session: Session, outcome: Outcome, judges: list[Judge], x: Tensor, y: Tensor, scored: Scored
) -> None:
    """The first victims in the order of a hash of their identity: the same in every cell, not hand-picked."""
    victims = outcome.leaked["victims"]
    protocol = session.track.protocol
    shown = torch.arange(len(y))[:: max(1, protocol.leaks_per_identity)][: protocol.pictures]
    judge = judges[-1]  # an independent one where there is one
    z = judge.embeddings(victims.faces.name)[victims.index[shown]]
    scored.pictures = {
        "original": _bytes(x[shown]),
        "recovered": _bytes(y[shown]),
        "cosine": (torch.from_numpy(judge.embed(y[shown])) * z).sum(1),
    }
    leak = victims.leak
    if isinstance(leak, Tensor) and leak.ndim == 4 and leak.shape[1] == 3:
        scored.pictures["leak"] = _bytes(resize(leak[shown].float().clamp(0, 1).cpu(), y.shape[-1]))


def _bytes(images: Tensor) -> Tensor:
    return (images * 255).round().clamp(0, 255).to(torch.uint8).contiguous()


def _cost(cell: Cell, outcome: Outcome, scored: Scored) -> None:
    """What the attack used. A protected pair is one made through the defence, so an oblivious adversary has none."""
    assert cell.threat is not None
    protected = cell.threat.defense is not DefenseKnowledge.K0
    victims = len(outcome.leaked["victims"].index)
    for row in scored.rows:
        row |= {
            "n_queries": outcome.n_queries,
            "n_aux": outcome.n_pairs,
            "n_protected_pairs": outcome.n_pairs if protected else 0,
            "train_s": outcome.train_s,
            "invert_s": outcome.invert_s / max(1, victims),
            "params": outcome.params,
        }
    if outcome.queries_per_victim:
        asked = {"metric": "queries_per_victim", "split": "victims", "value": outcome.queries_per_victim}
        scored.rows.append(asked | {"unit": "queries", "higher_is_better": False})
    scored.rows.append({"metric": "peak_memory_mb", "split": "victims", "value": outcome.peak_memory_mb, "unit": "MB"})


def _raise_flags(session: Session, cell: Cell, outcome: Outcome, judges: list[Judge], scored: Scored) -> None:
    assert cell.attack is not None
    assert cell.surface is not None
    attack = make_attack(cell.attack)
    recovered = outcome.recoveries["victims"].images
    if attack.fidelity.value != "baseline":
        if recovered is not None and len(recovered) > 1:
            apart = (recovered - recovered.roll(1, 0)).flatten(1).square().mean(1).sqrt().median()
            scored.flags += flags.spread_flag(float(apart))
        scored.flags += flags.start_flag(outcome.kept)
    if recovered is not None and not attack.aligned:
        scored.flags += flags.alignment_flag()
    if attack.threat.recognizer is RecognizerAccess.WHITE_BOX:
        scored.flags += flags.gradient_flag(session.recognizer(cell.target.recognizer), session.faces("public"))
    system = session.defense(cell.defense, cell.target.recognizer, cell.seed)
    draws = int(outcome.leaked["victims"].presentation.max()) + 1
    scored.flags += flags.draws_flag(system.randomised(Surface(cell.surface)), draws)
    if judges:
        scored.flags += flags.judge_flag([judge.name for judge in judges], cell.target.recognizer)
    scored.flags += flags.threshold_flags(
        (judge.name, fmr, found.false_accepts)
        for judge in judges
        for fmr, found in judge.thresholds.items()
        if found is not None and found.warn
    )
