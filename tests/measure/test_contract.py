"""What every measurement promises: rows that are declared, pure, and follow from what was kept on disk."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.recovery import Recovery
from faceleak.bench.core.registry import MEASUREMENTS
from faceleak.bench.core.secrets import SecretSource
from faceleak.bench.core.surfaces import Goal, Secret
from faceleak.bench.core.training import TrainLog
from faceleak.bench.leak.leaked import leaked_set
from faceleak.bench.measure import release
from faceleak.bench.measure.case import Case
from faceleak.bench.measure.parts import said
from faceleak.bench.measure.rows import Rules
from faceleak.bench.plan.cells import cells
from faceleak.bench.plan.track import load_track
from faceleak.bench.prepare.session import Session
from faceleak.bench.store.store import Store
from faceleak.defenses.base import Defense
from measuring import attack_case, system_case, through_disk
from systems import TOY_TRACK
from torch import Tensor

CELLS = """
[[defenses]]
name = "biohash"
surfaces = ["template"]
[[attacks]]
name = "mean-face"
"""
OWN_KEYS = """
[[defenses]]
name = "biohash"
label = "own keys"
settings = { key = "person" }
attacks = []
"""
TESTED = """
[[tests]]
dataset = "paired"
[datasets.paired]
name = "toy-pairs"
settings = { identities = 20, images = 4 }
[splits.overlap]
recognizer = ""
"""
AGAIN = '[recognizers.c]\ntype = "toy-b"\n'  # a second independent judge
CROWDED = """
[gallery]
distractors = { dataset = "crowd", sizes = [6], fpirs = [0.4, 0.01] }
[datasets.crowd]
name = "toy-faces"
settings = { identities = 140, images = 1 }
"""
NET = {"size": 32, "dim": 16, "steps": 4, "batch": 16}


class Released(Defense):
    """Releases, or publishes, the pictures as they are; its key is nothing."""

    name = "released"
    goal = Goal.RELEASE_DATASET
    secrets = frozenset({Secret.SAMPLE})
    log = TrainLog([2.0, 1.0], 1.0)

    def publish(self, images: Tensor, secret: object) -> Tensor:
        return images

    def make_key(self, images: Tensor, secret: object) -> Tensor:
        return torch.zeros(len(images), 2, dtype=torch.uint8)

    def recover(self, published: Tensor, key: object) -> Tensor:
        return published


def _session(folder: Path, *, publication: bool) -> Session:
    labels = folder / "labels.csv"
    labels.write_text("identity,hat\n" + "".join(f"p{i:03d},{'yes' if i % 2 else 'no'}\n" for i in range(114)))
    text = TOY_TRACK.replace("identities = 84", f'identities = 114, labels = "{labels}"')
    text = text.replace("[splits]", "[splits]\ntrain = { identities = 30, images = 6 }")
    if publication:
        text = text.replace("pictures = 2", 'pictures = 2\nmeasures = "publication"\npublished_victims = 12')
    else:
        # Who is tested is not trained on: that one person is left out of the train split.
        text = text.replace("[splits]", '[splits]\non_duplicate = "drop"', 1) + TESTED + CROWDED
    text = text.replace('judges = ["b"]', 'judges = ["b", "c"]').replace("[recognizers.b]", AGAIN + "[recognizers.b]")
    (folder / "t.toml").write_text(text + CELLS + OWN_KEYS)
    return Session(load_track(str(folder / "t.toml")), Store(folder), torch.device("cpu"), Progress())


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """A case for each measurement to apply to, without an attack that learns."""
    deployed = _session(tmp_path_factory.mktemp("deployed"), publication=False)
    shown = _session(tmp_path_factory.mktemp("shown"), publication=True)
    system, attack, keyed = cells(deployed.track)[:3]
    defense = deployed.defense(attack.defense, "a", 0)
    part = leaked_set(deployed, defense, attack, "victims", SecretSource.installation(0))
    pictures = (0.5 * part.faces.images(part.index) + 0.25).clamp(0, 1)
    recovery = Recovery(pictures, attributes={"hat": torch.eye(2)[torch.arange(len(part.index)) % 2]})
    ensemble = attack_case(deployed, replace(attack, members=(attack,)), part, recovery)
    ensemble.outcome.chosen = {"one": torch.arange(len(part.index)) % 2 == 0, "two": "refused"}
    published = system_case(shown, cells(shown.track)[0], Released())
    published.system.recognizer = shown.recognizer("a")
    released = system_case(deployed, system, Released())
    released.system.recognizer = deployed.recognizer("a")
    return [ensemble, Case(deployed, system), Case(deployed, keyed), released, published]


@pytest.mark.parametrize("name", MEASUREMENTS.names())
def test_rows_are_declared_pure_and_follow_from_the_disk(
    name: str, cases: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "FALLBACK", ("small-vgg", NET))
    one = MEASUREMENTS.get(name)()
    mine = [case for case in cases if (case.cell.attack is None) == (one.looks_at == "system") and not one.skip(case)]
    assert mine, "it applies nowhere"
    assert all(metric.says.endswith(".") for metric in one.metrics), "what a page would say of it"
    every = []
    for case in mine:
        kept = one.observe(case)
        rules, before = Rules(case.protocol, case.cell.seed), copy.deepcopy(kept)
        rows, flags = said(one, kept, rules)
        assert (rows, flags) == said(one, kept, rules), "the same again"
        for place, values in before.items():
            np.testing.assert_array_equal(kept[place], values, "what was kept is left alone")
        assert (rows, flags) == said(one, through_disk(kept), rules)
        every += rows
    assert every
    assert all("value" in row or row["unit"] or "status" in row for row in every), "a number, a word, or why not"


def test_each_metric_is_declared_alike_wherever_it_is() -> None:
    declared: dict[str, object] = {}
    for name in MEASUREMENTS.names():
        for metric in MEASUREMENTS.get(name).metrics:
            assert declared.setdefault(metric.name, metric) == metric
