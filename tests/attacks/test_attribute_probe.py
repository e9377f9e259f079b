"""Probes on leaks whose content is known: all of an attribute, or nothing of it; and against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from faceleak.bench.core.attributes import Attributes
from faceleak.bench.core.errors import ContractError, InputError, NotApplicable
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.recovery import Recovery
from faceleak.bench.core.registry import ATTACKS
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.core.threat import ThreatModel
from faceleak.bench.measure.attributes import AttributesRead, readings
from faceleak.bench.measure.rows import Rules
from faceleak.bench.plan.track import Protocol
from sklearn.linear_model import LogisticRegression
from systems import ToySystem, small

RULES = Rules(Protocol(bootstrap=300), 0)
N = 400
TRUTH = (Rng(0, "truth").uniform(torch.arange(2 * N)) > 0.4).long()  # of the public pictures, then of the victims
TONE = Rng(0, "tone").bits(torch.arange(2 * N), ()).remainder(3)
NOISE = Rng(0, "noise").normal(torch.arange(2 * N), (6,))


class Known:
    """Stands in for a target: the leak of public picture i is row i of a table."""

    surface = Surface.TEMPLATE
    threat = ATTACKS.get("attribute-probe").threat
    pair_budget = N

    def __init__(self, leaks: torch.Tensor) -> None:
        self.leaks = leaks

    def pairs(self, index: torch.Tensor, presentation: int = 0) -> torch.Tensor:
        return self.leaks[index]

    def example(self) -> torch.Tensor:
        return self.leaks[:1]

    def all_pairs(self, limit: int | None = None) -> torch.Tensor:
        return self.leaks[:limit]


def labels(rows: slice) -> Attributes:
    return Attributes(
        {"hat": ("no", "yes"), "tone": ("a", "b", "c")}, {"hat": TRUTH[rows].clone(), "tone": TONE[rows].clone()}
    )


def read(leaks: torch.Tensor, settings: dict[str, Any]) -> Recovery:
    """What a probe that learnt on the first N leaks reads from the others."""
    context = ToySystem("none").context(Known.threat)
    names = [f"p{i}" for i in range(N)]
    context.public = FaceSet("public", names, names, lambda index: leaks[index], "", lambda: labels(slice(N)))
    context.target = Known(leaks[:N])  # type: ignore[assignment]
    attack = ATTACKS.get("attribute-probe")(settings).fit(context)
    return attack.recover(leaks[N:], torch.arange(N), context)  # type: ignore[no-any-return]


def rows(found: Recovery, each: int = 4) -> dict[str, Any]:
    """Rows by metric; every ``each`` leaks are of one person."""
    assert found.attributes is not None
    owner = np.arange(N) // each
    kept = readings(labels(slice(N)), labels(slice(N, None)), owner, found.attributes)
    return {row["metric"]: row for row in AttributesRead().rows(kept, RULES)}


@pytest.mark.parametrize("probe", ["linear", "mlp"])
def test_a_leak_that_is_the_attribute_gives_it_away(probe: str) -> None:
    leaks = torch.cat([TRUTH[:, None].float(), torch.eye(3)[TONE], NOISE], 1)
    found = rows(read(leaks, {"probe": probe, "lr": 0.01, "vector_steps": 300, "width": 32}))
    for name in ("hat", "tone"):
        assert found[f"attribute_accuracy:{name}"]["value"] == 1.0
        assert found[f"attribute_auc:{name}"]["value"] == pytest.approx(1.0)
        assert found[f"attribute_gain:{name}"]["ci_lo"] > 0.2
    assert found["attribute_accuracy"]["value"] == 1.0


@pytest.mark.parametrize("probe", ["linear", "mlp"])
def test_a_leak_without_it_gives_chance_within_the_interval(probe: str) -> None:
    found = rows(read(NOISE, {"probe": probe, "vector_steps": 60, "width": 32}))
    assert found["attribute_chance:hat"]["value"] == pytest.approx(float(TRUTH[N:].float().mean())), "most wear one"
    for name in (":hat", ":tone", ""):
        assert found[f"attribute_auc{name}"]["ci_lo"] < 0.5 < found[f"attribute_auc{name}"]["ci_hi"]
        assert found[f"attribute_gain{name}"]["ci_lo"] <= 0, "nothing above chance is claimed"


def test_the_linear_probe_is_logistic_regression() -> None:
    leaks = NOISE.clone()
    leaks[:, 0] += 1.2 * TRUTH
    leaks[:, 1] += 0.8 * TONE
    settings = {"lr": 0.05, "vector_steps": 600, "batch": N, "weight_decay": 0.0}  # whole batches, to the optimum
    found = read(leaks, settings).attributes
    assert found is not None
    for name, truth in (("hat", TRUTH), ("tone", TONE)):
        reference = LogisticRegression(C=np.inf, max_iter=1000).fit(leaks[:N].numpy(), truth[:N].numpy())
        assert np.abs(found[name].numpy() - reference.predict_proba(leaks[N:].numpy())).max() < 0.01


def test_only_what_is_asked_for_is_read() -> None:
    found = read(NOISE, {"names": ["tone"], "vector_steps": 5}).attributes
    assert found is not None
    assert {name: tuple(likely.shape) for name, likely in found.items()} == {"tone": (N, 3)}
    with pytest.raises(InputError, match="no attribute is called 'tones'; did you mean 'tone'"):
        read(NOISE, {"names": ["tones"]})


def test_a_data_set_without_attributes_is_not_applicable() -> None:
    context = ToySystem("none").context(Known.threat)
    context.public = FaceSet("public", context.public.samples, context.public.identities, context.public._read, "")
    with pytest.raises(NotApplicable, match=r"name a label file in dataset\.settings\.labels"):
        ATTACKS.get("attribute-probe")(small("attribute-probe")).fit(context)


def test_the_ceiling_reads_the_photographs_and_not_the_leak() -> None:
    system = ToySystem("none")
    context = system.context(ThreatModel(victims=True))
    attack = ATTACKS.get("attribute-photo")(small("attribute-photo") | {"map_steps": 150}).fit(context)
    found = attack.recover(torch.zeros(90, 1), torch.arange(90), context).attributes
    assert found is not None
    truth = system.victims.attributes
    assert truth is not None
    hits = [(likely.argmax(1) == truth.labels[name]).float().mean() for name, likely in found.items()]
    assert sum(hits) / len(hits) > 0.64, "chance is 0.56"


def test_what_is_handed_back_must_be_likelihoods_of_the_data_set_s_classes() -> None:
    with pytest.raises(ContractError, match="take a softmax"):
        Recovery(attributes={"hat": torch.randn(4, 2)})
    with pytest.raises(ContractError, match="images, embeddings or attributes"):
        Recovery()
    with pytest.raises(ContractError, match="its classes are"):
        rows(Recovery(attributes={"hat": torch.full((N, 3), 1 / 3)}))
    with pytest.raises(InputError, match="number classes from 0"):
        Attributes({"hat": ("no",)}, {"hat": torch.tensor([0, 1])})


def test_no_number_where_all_victims_are_of_one_class() -> None:
    victims = Attributes({"hat": ("no", "yes")}, {"hat": torch.zeros(6, dtype=torch.int64)})
    likely = {"hat": torch.full((6, 2), 0.5)}
    kept = readings(victims, victims, np.arange(6), likely)
    made = list(AttributesRead().rows(kept, RULES))
    assert {row["metric"] for row in made if row.get("status") == "absent"} == {"attribute_auc:hat", "attribute_auc"}
