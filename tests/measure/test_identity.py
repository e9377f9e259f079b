"""SAR and rank against loops that anybody can read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.recovery import Recovery
from faceleak.bench.core.registry import MEASUREMENTS
from faceleak.bench.core.seeding import Rng
from faceleak.bench.leak.leaked import LeakedSet, first_images, other_images
from faceleak.bench.measure.judges import make_judge
from faceleak.bench.measure.rows import Rules
from faceleak.bench.plan.cells import cells
from faceleak.bench.plan.track import load_track
from faceleak.bench.prepare.session import Session
from faceleak.bench.store.store import Store
from measuring import attack_case, rows_of
from systems import TOY_TRACK


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("session")
    (folder / "t.toml").write_text(TOY_TRACK + "[[defenses]]\nname = 'none'\n[[attacks]]\nname = 'grey'\n")
    return Session(load_track(str(folder / "t.toml")), Store(folder), torch.device("cpu"), Progress())


def test_rates_equal_brute_force(session: Session) -> None:
    faces = session.faces("victims")
    index = first_images(faces, 2, 99)
    part = LeakedSet(faces, index, torch.zeros(len(index), dtype=torch.int64), torch.zeros(len(index), 32))
    mixed = 0.5 * faces.images(index) + 0.5 * faces.images(index.flip(0))
    noisy = (mixed + 0.1 * Rng(0, "n").normal(faces.ids[index], (3, 32, 32))).clamp(0, 1)
    judge = make_judge(session, "b")
    case = attack_case(session, cells(session.track)[1], part, Recovery(noisy))
    found = {(r["metric"], r.get("fmr")): r["value"] for r in rows_of(case, "identity", "ranks") if r["judge"] == "b"}

    z, truth = judge.embed(noisy), judge.embeddings("victims").numpy()
    for fmr in (0.1, 0.01):
        t = judge.thresholds[fmr].value  # type: ignore[union-attr]
        one: dict[int, list[float]] = {}
        two: dict[int, list[float]] = {}
        for leak, i in enumerate(index.tolist()):
            who = int(faces.labels[i])
            one.setdefault(who, []).append(float(z[leak] @ truth[i] > t))
            for j in range(len(faces)):
                if int(faces.labels[j]) == who and j != i:
                    two.setdefault(who, []).append(float(z[leak] @ truth[j] > t))
        assert found["sar_type1", fmr] == pytest.approx(np.mean([np.mean(v) for v in one.values()]))
        assert found["sar_type2", fmr] == pytest.approx(np.mean([np.mean(v) for v in two.values()]))

    gallery = sorted(set(other_images(faces, index).tolist()))
    assert not set(gallery) & set(index.tolist()), "the photograph that leaked is never in the gallery"
    hits: dict[int, list[float]] = {}
    for leak, i in enumerate(index.tolist()):
        best = gallery[int(np.argmax([z[leak] @ truth[g] for g in gallery]))]
        hits.setdefault(int(faces.labels[i]), []).append(float(faces.labels[best] == faces.labels[i]))
    assert found["rank1", None] == pytest.approx(np.mean([np.mean(v) for v in hits.values()]))
    assert found["rank1_chance", None] == pytest.approx(1 / len(gallery))


@pytest.mark.parametrize(("knowledge", "own", "raised"), [("K0", True, True), ("K2", True, True), ("K1", True, False),
                                                          ("K3", True, False), ("K0", False, False)])  # fmt: skip
def test_whom_a_keyed_template_names_without_its_key_is_too_good_to_be_true(
    tmp_path: Path, knowledge: str, own: bool, raised: bool
) -> None:
    """Recoveries that are the photographs themselves, or everybody else's."""
    text = TOY_TRACK + "[[defenses]]\nname = 'biohash'\nsurfaces = ['template']\n[[attacks]]\nname = 'linear-ridge'\n"
    (tmp_path / "t.toml").write_text(text)
    house = Session(load_track(str(tmp_path / "t.toml")), Store(tmp_path), torch.device("cpu"), Progress())
    cell = next(cell for cell in cells(house.track) if cell.attack and cell.threat.defense.value == knowledge)  # type: ignore[union-attr]
    faces = house.faces("victims")
    index = first_images(faces, 1, 99)
    part = LeakedSet(faces, index, torch.zeros(len(index), dtype=torch.int64), torch.zeros(len(index), 32))
    case = attack_case(house, cell, part, Recovery(faces.images(index if own else index.roll(1))))
    ranks = MEASUREMENTS.get("ranks")()
    kept = ranks.observe(case)
    assert ({"F18"} if raised else set()) == {one["flag"] for one in ranks.flags(kept, Rules(case.protocol, 0))}


def test_photographs_that_other_views_leaked_are_not_other_photographs(session: Session) -> None:
    faces = session.faces("victims")
    index = first_images(faces, 1, 99)
    once = torch.zeros(len(index), dtype=torch.int64)
    second = LeakedSet(faces, index + 1, once, torch.zeros(len(index), 32))
    part = LeakedSet(faces, index, once, torch.zeros(len(index), 32), (second,))
    judge = make_judge(session, "b")
    recovery = Recovery(0.9 * faces.images(index) + 0.05)
    case = attack_case(session, cells(session.track)[1], part, recovery)
    rows = rows_of(case, "identity")
    t = judge.thresholds[0.01].value  # type: ignore[union-attr]
    scores = judge.similarity(recovery, "victims")
    rates = []
    for leak, i in enumerate(index.tolist()):
        own = [j for j in range(len(faces)) if faces.labels[j] == faces.labels[i] and j not in (i, i + 1)]
        rates.append(np.mean([scores[leak, j] > t for j in own]))
    found = next(row for row in rows if (row["metric"], row.get("fmr"), row["judge"]) == ("sar_type2", 0.01, "b"))
    assert found["value"] == pytest.approx(np.mean(rates))
    alone = LeakedSet(faces, index, once, torch.zeros(len(index), 32))
    whole = MEASUREMENTS.get("identity")().observe(attack_case(session, case.cell, alone, recovery))
    kept = MEASUREMENTS.get("identity")().observe(case)
    assert (np.bincount(whole["b/victims/leak"]) == np.bincount(kept["b/victims/leak"]) + 1).all()


def test_thresholds_come_from_calibration_identities(session: Session) -> None:
    judge = make_judge(session, "a")
    z, labels = judge.embeddings("calibration").numpy(), session.faces("calibration").labels.numpy()
    scores = np.sort([z[i] @ z[j] for i in range(len(z)) for j in range(i) if labels[i] != labels[j]])
    for fmr, threshold in judge.thresholds.items():
        assert threshold is not None
        assert (scores > threshold.value).mean() <= fmr
        # The judge multiplies whole matrices, whose last bits differ from those of the products here.
        lower = scores[np.searchsorted(scores, threshold.value - 1e-5) - 1]
        assert (scores > lower).mean() > fmr, "the smallest such threshold"


def test_first_images_leave_one_to_compare_with(session: Session) -> None:
    faces = session.faces("victims")
    index = first_images(faces, 99, 99)
    for label in range(faces.n_identities):
        mine = torch.nonzero(faces.labels == label).flatten().tolist()
        assert len(set(mine) - set(index.tolist())) == 1
