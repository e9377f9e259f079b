"""What publishing a protected picture is worth: who still finds its person, what is left of it, who gets it back.

Of the first people of the victims split one photograph each is published. Definitions, for a judge with threshold t:
  psr_dodging         1 - SAR-II: share of published pictures that are *not* taken for any given other, unprotected
                      photograph of their person, s <= t. CLIP2Protect and GIFT call it dodging.
  psr_impersonation   share of published pictures that pass for a decoy, s > t with a photograph of a decoy that the
                      search did not see (of several decoys the best one, as in TIP-IM).
  rank1_originals     share whose person comes first in a gallery of one unprotected photograph of everybody; 1 minus
                      it is TIP-IM's Rank-1-UT.
  rank1_published     the same against other photographs that were *published the same way*: whether two protected
                      pictures of one person can still be linked.
  rank1_decoy         share for which a decoy comes first in the gallery of originals and decoys: TIP-IM's Rank-1-T.
PSNR, SSIM, LPIPS and FID compare what is published with the original. Reversible defences are turned back with the
right key, with the right key after 8-bit storage, with somebody else's, with one bit flipped, and with the right key
but a black picture in place of the published one: where that loses nothing, the key *is* the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..defenses.base import Defense
from .core.faces import FaceSet
from .core.leaks import Leak, leak_bytes, leak_map, leak_take
from .core.secrets import SecretDraw, SecretSource
from .core.seeding import Rng
from .edits import edit_rows
from .enrolment import utility_row
from .evidence import Kept, under
from .judges import Judge, make_judge
from .kept_geometry import geometry_rows
from .leaked import first_images, gallery_of, other_images
from .metrics.quality import psnr, ssim
from .metrics.reidentification import by_identity, chance, rank_k, sar_type2
from .perception import perceptual_rows
from .plan import Cell
from .published import published
from .schema import Row
from .scoring import Scored, Summary, per_identity
from .session import Session
from .words import PROTECTOR

PLACE = "published"  # of the scores that are kept, after the judge


@dataclass(frozen=True)
class Published:
    """One photograph each of V people.

    Args:
        faces: the victims split.
        index: (V,) positions of what was published.
        originals: (V, 3, H, W).
        images: (V, 3, H, W) as published.
        again: (V, 3, H, W) another photograph of each, published too.
    """

    faces: FaceSet
    index: Tensor
    originals: Tensor
    images: Tensor
    again: Tensor

    @property
    def owner(self) -> np.ndarray:
        """(V,) labels."""
        return self.faces.labels[self.index].numpy()

    def others(self) -> np.ndarray:
        """(V, n) bool: which pictures of the split show the same person and are not the published one."""
        same: np.ndarray = self.faces.labels.numpy()[None] == self.owner[:, None]
        same[np.arange(len(same)), self.index.numpy()] = False
        return same


def score_publication(session: Session, cell: Cell, defense: Defense, scored: Scored) -> None:
    """Append all rows about what ``defense`` publishes."""
    faces, source = session.faces("victims"), SecretSource.installation(cell.seed)
    alias = cell.target.recognizer
    index = first_images(faces, 1, session.track.protocol.published_victims)
    made, again = (
        published(session, defense, alias, faces, where, source) for where in (index, other_images(faces, index))
    )
    shown = Published(faces, index, faces.images(index), made, again)
    summarise = Summary(session, cell)
    scored.rows.append(utility_row("goal", None, defense.goal.value))
    judges, decoys = _judges(session, cell), _decoys(session, defense)
    for judge in judges:
        kept = _seen(judge, shown, decoys)
        scored.kept |= under(judge.name, judge.tail) | under(f"{judge.name}/{PLACE}", kept)
        scored.rows += _recognition(judge, kept, summarise)
    geometry_rows(session, shown, scored, summarise)
    edit_rows(session, shown, judges, scored, summarise)
    _quality(shown.images, shown, summarise, scored, Rng(cell.seed, "kid"))
    if defense.reversible:
        _recovery(session, defense, shown, source.draw(faces.ids[index]), judges, scored, summarise)


def _judges(session: Session, cell: Cell) -> list[Judge]:
    """All judges of the target; the name of one that whoever protects had at hand says so."""
    judges = [make_judge(session, alias) for alias in (cell.target.recognizer, *cell.target.judges)]
    for judge in judges:
        if judge.alias in session.track.protocol.protectors:
            judge.name = f"{PROTECTOR}{judge.alias}"
    return judges


def _decoys(session: Session, defense: Defense) -> Tensor | None:
    """(k, 3, H, W) a photograph of each decoy that no search saw, or None."""
    labels = defense.decoys()
    if labels is None:
        return None
    train = session.faces("train")
    first = torch.tensor([int(torch.nonzero(train.labels == label)[0]) for label in labels])
    return train.images(other_images(train, first))


def _seen(judge: Judge, shown: Published, decoys: Tensor | None) -> Kept:
    """All scores that this judge's rates follow from.

    ``leak`` (P,) and ``other`` (P,): each published picture with its score against each other photograph of its person;
    ``gallery`` (V, G) with ``gallery_owner`` (G,); ``again`` (V, V) against published ones; with decoys ``near`` (V, k)
    and, of the photographs as they were, ``plain`` (V, k).
    """
    owner, labels = shown.owner, shown.faces.labels.numpy()
    known, z = judge.embeddings(shown.faces.name).numpy(), judge.embed(shown.images)
    similarity = z @ known.T
    leak, photograph = np.nonzero(shown.others())
    gallery = gallery_of(shown.faces)
    kept = {
        "owner": owner, "leak": leak, "other": similarity[leak, photograph], "gallery": similarity[:, gallery],
        "gallery_owner": labels[gallery], "again": z @ judge.embed(shown.again).T,
    }  # fmt: skip
    if decoys is not None:
        towards = judge.embed(decoys)
        kept |= {"near": z @ towards.T, "plain": known[shown.index.numpy()] @ towards.T}
    return kept


def _recognition(judge: Judge, kept: Kept, summarise: Summary) -> list[Row]:
    """Rates of one judge, by identity with intervals."""
    found: list[Row] = []

    def add(metric: str, values: np.ndarray, up: bool, at: Row | None = None) -> None:
        row = {"metric": metric, "judge": judge.name, "split": "victims", "unit": "fraction"}
        found.append(row | (at or {}) | summarise(values, up=up))

    owner = kept["owner"]
    add("rank1_originals", _first(kept["gallery"], owner, kept["gallery_owner"]), False)
    add("rank1_published", _first(kept["again"], owner, owner), False)
    level = {"metric": "rank1_published_chance", "judge": judge.name, "split": "victims", "unit": "fraction"}
    found.append(level | {"value": chance(1, len(owner)), "n": len(owner), "n_unit": "gallery identities"})
    if "near" in kept:
        add("rank1_decoy", (kept["near"].max(1) > kept["gallery"].max(1)).astype(float), True)
    for fmr, threshold in judge.thresholds.items():
        if threshold is None:
            refused = {"judge": judge.name, "split": "victims", "unit": "fraction", "fmr": fmr, "status": "refused"}
            found.append(refused | {"metric": "psr_dodging", "ci_method": "too few false accepts"})
            continue
        at = {"fmr": fmr, "threshold": threshold.value}
        add("psr_dodging", 1 - sar_type2(kept["other"], owner[kept["leak"]], threshold.value).values, True, at)
        if "near" in kept:
            for metric, score in (("psr_impersonation", "near"), ("psr_impersonation_unprotected", "plain")):
                add(metric, (kept[score].max(1) > threshold.value).astype(float), True, at)
    return found


def _first(similarity: np.ndarray, probe: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """(I,) by identity: how often the right person comes first."""
    return by_identity(rank_k(similarity, probe, owner, 1), probe).values


def _quality(images: Tensor, shown: Published, summarise: Summary, scored: Scored, rng: Rng) -> None:
    def add(metric: str, values: Tensor, unit: str, up: bool) -> None:
        scored.kept[metric] = values.numpy()
        columns = summarise(per_identity(values.numpy(), shown.owner), rate=False, up=up)
        scored.rows.append({"metric": metric, "split": "victims", "unit": unit} | columns)

    add("psnr", psnr(images, shown.originals), "dB", True)
    add("ssim", ssim(images, shown.originals), "1", True)
    perceptual_rows(images, shown.originals, shown.owner, add, scored, rng)


def _recovery(
    session: Session, defense: Defense, shown: Published, draw: SecretDraw, judges: list[Judge], scored: Scored,
    summarise: Summary,
) -> None:  # fmt: skip
    """PSNR of what comes back by each key, who is seen in it, and how large the key is."""
    with torch.no_grad():
        key = leak_map(lambda part: part.cpu(), defense.make_key(shown.originals.to(session.device), draw))
    gallery = gallery_of(shown.faces)
    owner, labels = shown.owner, shown.faces.labels.numpy()
    for way, images in _recovered(session, defense, shown, key).items():
        values = psnr(images, shown.originals).numpy()
        row = {"metric": f"recovery_psnr_{way}", "split": "victims", "unit": "dB"}
        scored.rows.append(row | summarise(per_identity(values, owner), rate=False))
        for judge in judges:
            similarity = judge.embed(images) @ judge.embeddings(shown.faces.name).numpy()[gallery].T
            named = {"metric": f"recovery_rank1_{way}", "judge": judge.name, "split": "victims", "unit": "fraction"}
            scored.rows.append(named | summarise(_first(similarity, owner, labels[gallery])))
    scored.rows.append(utility_row("key_bytes", leak_bytes(key), "bytes", up=False))
    scored.rows.append(utility_row("picture_bytes", float(shown.images[0].numel()), "bytes"))


def _recovered(session: Session, defense: Defense, shown: Published, key: Leak) -> dict[str, Tensor]:
    """Way -> (V, 3, H, W): what comes back with the right key and with broken ones, and the most that could.

    A key of several parts is also broken part by part: ``wrong_NAME`` takes that part from somebody else.
    """
    turn = torch.arange(len(shown.index)).roll(1)
    stored = (shown.images * 255).round() / 255
    black = torch.zeros_like(shown.images)
    ways: dict[str, tuple[Tensor, Leak]] = {
        "right": (shown.images, key), "8bit": (stored, key), "wrong_key": (stored, leak_take(key, turn)),
        "one_bit": (stored, leak_map(one_bit_off, key)), "blank": (black, key),
    }  # fmt: skip
    if isinstance(key, dict):
        ways |= {f"wrong_{part}": (stored, key | {part: key[part][turn]}) for part in key}
    found = {way: _turned_back(session, defense, *what) for way, what in ways.items()}
    with torch.no_grad():
        most = defense.round_trip(shown.originals.to(session.device))
    return found if most is None else found | {"ceiling": most.cpu()}


def one_bit_off(part: Tensor) -> Tensor:
    """``part`` with one bit of every row flipped: of whole numbers the first one's lowest, of floats its sign."""
    broken = part.clone()
    first = broken.flatten(1)
    if part.is_floating_point():
        first[:, 0] = -first[:, 0]
    else:
        first[:, 0] = first[:, 0] ^ 1
    return first.reshape(part.shape)


@torch.no_grad()
def _turned_back(session: Session, defense: Defense, images: Tensor, key: Leak) -> Tensor:
    there = leak_map(lambda part: part.to(session.device), key)
    return defense.recover(images.to(session.device), there).cpu()
