"""One step of each entry of `paper` and `paper-images`, at 112 pixels with the papers' networks: `make test-slow`."""

from __future__ import annotations

import re

import pytest
import torch
from faceleak.bench.core.registry import ATTACKS, DEFENSES
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.plan.cells import cells
from faceleak.bench.plan.schema import AttackSpec, DefenseSpec
from faceleak.bench.plan.track import TRACKS, load_track
from faceleak.defenses.wire import WireDefense
from systems import NEEDS_SURROGATE, ToySystem, fit_defense, recognizer

ONE = {
    "server_batch": 4, "batch": 4, "sensitivity_pictures": 8, "feature_batch": 4, "student_batch": 4, "vector_batch": 4,
    "style_batch": 4, "coder_batch": 4, "denoiser_batch": 4, "paint_batch": 4, "landmark_batch": 4, "editor_batch": 4,
    "critic_batch": 4, "text_batch": 4, "parser_batch": 4, "shadow_batch": 4, "pictures": 8, "parser_faces": 8,
    "text_faces": 8, "persons": 2, "rounds": 2, "levels": 4, "key_levels": 4, "edited": ("first", "second"),
    "prompt": "a bright face", "terms": 5, "components": 8, "targets": 2, "identity_batch": 2,
}  # fmt: skip
KEPT = {"recovery-unet": {"levels"}, "minusface": {"levels"}, "polyprotect": {"terms"}, "optics": {"terms"}}
STAGED = {"advface-map": "toy-split", "slerpface-map": "toy-split"}


def one_step(name: str, kind: type, settings: dict[str, object]) -> dict[str, object]:
    """An entry's settings with one optimiser step wherever there are some, and small batches; sizes stay."""
    known = getattr(kind.Settings, "__dataclass_fields__", {})  # type: ignore[attr-defined]
    steps = {key: 1 for key in known if key == "steps" or key.endswith("_steps")}
    small = {key: value for key, value in ONE.items() if key in known and key not in KEPT.get(name, ())}
    return {**settings, **small, **steps}


def defenses(track: str) -> list[DefenseSpec]:
    return [spec for spec in load_track(track).defenses if isinstance(spec.name, str)]


def attacks(track: str) -> list[AttackSpec]:
    return list(load_track(track).attacks)


def test_the_two_tracks_have_every_defence_there_is() -> None:
    mine = {name for name in DEFENSES.names() if DEFENSES.get(name).__module__.startswith("faceleak.")}
    assert mine == {str(spec.name) for track in ("paper", "paper-images") for spec in defenses(track)}


def test_every_entry_says_where_its_settings_are_from() -> None:
    for track in ("paper", "paper-images"):
        for entry in re.split(r"\n(?=\[\[)", (TRACKS / f"{track}.toml").read_text()):
            if entry.startswith(("[[defenses]]", "[[attacks]]")) and "settings" in entry:
                assert "#" in entry, entry


def test_each_role_has_a_set_of_its_own() -> None:
    track = load_track("paper")
    sets = {name: spec.dataset for name, spec in track.splits.by_name().items()}
    assert sets == {"train": "training", "public": "public", "calibration": "", "victims": ""}
    assert [test.title for test in track.tests] == ["lfw", "cfp-fp", "agedb-30", "calfw", "cplfw"]
    assert {cell.defense.title for cell in cells(track) if cell.target.recognizer == "staged"} == {
        "none", "Map of AdvFace",
    }  # fmt: skip


def test_as_released_is_what_was_released() -> None:
    found = {spec.title: spec.settings for spec in defenses("paper")}
    assert found["dctdp as released"].items() >= {"epsilon_mean": 4.0, "sensitivity": "one", "shift": "learned"}.items()
    released = {"candidates": "released", "orders": 3, "groups_shown": 3}
    assert found["partialface as released"].items() >= released.items()
    wires = [spec for spec in defenses("paper") if issubclass(DEFENSES.get(str(spec.name)), WireDefense)]
    assert {spec.settings["server"] for spec in wires} == {"ir50"}


@pytest.mark.slow
@pytest.mark.parametrize("spec", [*defenses("paper"), *defenses("paper-images")], ids=lambda spec: spec.title)
def test_one_step_with_the_papers_networks(spec: DefenseSpec) -> None:
    name = str(spec.name)
    kind = DEFENSES.get(name)
    defense = fit_defense(kind(one_step(name, kind, spec.settings)), recognizer(STAGED.get(name, "toy-a")))
    system = ToySystem("none")
    images, draw = system.public.images(torch.arange(2)), system.installation.draw(system.public.ids[:2])
    surface = Surface.IMAGE if defense.slow else Surface.WIRE
    leak = defense.leak(images, surface, draw)
    if not defense.slow:
        assert len(defense.embed(leak)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("spec", attacks("paper"), ids=lambda spec: spec.title)
def test_one_step_of_each_attack(spec: AttackSpec) -> None:
    kind = ATTACKS.get(spec.name)
    attack = kind(one_step(spec.name, kind, spec.settings))
    surface = Surface.TEMPLATE if Surface.TEMPLATE in attack.surfaces else Surface.WIRE
    system = ToySystem("none")
    context = system.context(attack.threat, surface)
    context.resolution = 112
    if spec.name in NEEDS_SURROGATE:
        system.with_surrogate(context)
    index = torch.arange(2)
    if context.photographs is not None:
        context.photographs = {role: images[index] for role, images in context.photographs.items()}
    recovery = attack.fit(context).recover(system.deployed_leak(index, surface, "victims"), index, context)
    assert len(recovery) == 2
