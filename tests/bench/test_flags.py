"""Each flag fires on what it is for, stays silent otherwise, and is documented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from faceleak.bench.core.surfaces import Role
from faceleak.bench.measure import cross_flags, flags
from faceleak.bench.measure.cross_flags import cross_cell_flags
from faceleak.bench.plan.cells import roles
from faceleak.bench.plan.saturation import last_steps
from faceleak.bench.plan.track import AttackSpec
from faceleak.bench.record.flags import FLAGS
from faceleak.bench.record.results import Row
from faceleak.bench.record.roles import role_of
from systems import faces, recognizer

SAME_DRAWS = np.tile(np.linspace(0, 1, 20), (2, 1))
LUCKY = np.array([[0.8] * 20, [0.2] * 20])  # of two draws the first takes everybody
FLAT, FALLING = (5.0, 0.0), (30.0, 0.2)


def _row(cell: str, attack: str, metric: str, value: float, **more: Any) -> Row:
    base: Row = {
        "cell": cell, "recognizer": "f", "defense": "none", "surface": "template", "seed": 0, "attack": attack,
        "knowledge": "K0", "status": "ok", "split": "victims", "metric": metric, "judge": "j", "fmr": 0.01,
        "value": value, "ci_lo": value - 0.05, "ci_hi": value + 0.05, "recognizer_access": "black-box",
    }  # fmt: skip
    return base | more


def test_every_flag_in_the_code_is_documented() -> None:
    files = [Path(str(module.__file__)) for module in (flags, cross_flags)]
    used = set(re.findall(r'"(F\d+)"', "".join(file.read_text(encoding="utf-8") for file in files)))
    assert used == set(FLAGS)


@pytest.mark.parametrize(
    ("raised", "silent"),
    [
        (flags.spread_flag(0.001), flags.spread_flag(0.2)),
        (flags.start_flag(0.0), flags.start_flag(0.25)),
        (flags.unfinished_flag({"server": (4.9, 0.0)}, 5), flags.unfinished_flag({}, 5)),
        (flags.unfinished_flag({"a": FALLING, "b": FLAT}, 5), flags.unfinished_flag({"a": FLAT, "b": FLAT}, 5)),
        (flags.draws_flag(True, 1), flags.draws_flag(True, 2)),
        (flags.lucky_draw_flag(LUCKY, "j"), flags.lucky_draw_flag(LUCKY[:1], "j")),
        (flags.lucky_draw_flag(np.vstack([LUCKY, LUCKY[1:]]), "j"), flags.lucky_draw_flag(SAME_DRAWS, "j")),
        (flags.twice_flag(1), flags.twice_flag(0)),
        (flags.threshold_flags([("j", 0.01, 12)]), flags.threshold_flags([])),
        (flags.judge_flag(["f"], "f"), flags.judge_flag(["f", "j"], "f")),
        (flags.utility_flag(0.05, 0.01), flags.utility_flag(0.005, 0.01)),
        (flags.answer_flag(0.98, 0.9945), flags.answer_flag(0.9946, 0.9945)),
        (flags.unreadable_flag(3), flags.unreadable_flag(0)),
        (flags.isolation_flag(False), flags.isolation_flag(True)),
    ],
)
def test_single_cell_flags(raised: list[dict[str, str]], silent: list[dict[str, str]]) -> None:
    assert len(raised) == 1
    assert raised[0]["message"]
    assert silent == []


def test_a_dead_gradient_is_flagged() -> None:
    alive = recognizer("toy-a")
    assert flags.gradient_flag(alive, faces()["public"]) == []

    class Dead(torch.nn.Module):
        device = torch.device("cpu")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return alive(x) * 0

    assert flags.gradient_flag(Dead(), faces()["public"])[0]["flag"] == "F4"


def test_an_attack_below_a_floor() -> None:
    floor = _row("c0", "nearest-public-face", "sar_type2", 0.5)
    below, above = _row("c1", "decoder", "sar_type2", 0.3), _row("c2", "decoder-id", "sar_type2", 0.48)
    assert cross_cell_flags([floor, below, above]) == {"c1": {"F1"}}
    defended = [row | {"defense": "biohash"} for row in (floor, below)]
    assert cross_cell_flags(defended) == {"c1": {"F1"}}, "a defence weakens the floor as well"
    knowing = [defended[0] | {"knowledge": "K1"}, defended[1]]
    assert cross_cell_flags(knowing) == {}, "the floor knows more"
    assert cross_cell_flags([row | {"knowledge": "K1"} for row in knowing]) == {"c1": {"F1"}}
    assert cross_cell_flags([floor, below | {"recognizer_access": "scores"}]) == {}, "the floor has more access"
    assert cross_cell_flags([floor | {"n_aux": 900}, below | {"n_aux": 300}]) == {}, "the floor has more pairs"


def test_a_floor_is_what_its_class_declares_under_any_title() -> None:
    entries = [AttackSpec(name="linear-ridge", label="ridge, 300 pairs"), AttackSpec(name="decoder", label="grey"),
               AttackSpec(name="same-photo"), AttackSpec(name="standard-ensemble")]  # fmt: skip
    told = roles(entries)
    assert told == {"ridge, 300 pairs": "floor", "grey": "attack", "same-photo": "ceiling",
                    "standard-ensemble": "attack"}  # fmt: skip
    floor, below = _row("c0", "ridge, 300 pairs", "sar_type2", 0.5), _row("c1", "grey", "sar_type2", 0.3)
    assert cross_cell_flags([floor, below], roles=told) == {"c1": {"F1"}}
    assert role_of("grey [pairs 300]", told) is Role.ATTACK
    assert role_of("my-attack", told) is Role.ATTACK, "a stranger's attack without a paper is no floor"
    assert role_of("grey", {}) is Role.FLOOR, "of a run from before roles were kept"


def test_a_curve_that_still_rises_is_not_saturated() -> None:
    few, many = _row("s", "decoder (300)", "sar_type2", 0.3), _row("l", "decoder", "sar_type2", 0.5)
    steps = [("decoder (300)", "decoder")]
    assert cross_cell_flags([few, many], steps) == {"l": {"F15"}}
    assert cross_cell_flags([few, many | {"value": 0.34}], steps) == {}, "within the interval"
    assert cross_cell_flags([few, many | {"knowledge": "K1"}], steps) == {}, "another curve"


def test_the_last_steps_of_the_curves_of_a_track() -> None:
    def entry(label: str, **more: Any) -> AttackSpec:
        return AttackSpec.model_validate({"name": "decoder", "label": label, **more})

    attacks = [
        entry("a", pairs=300), entry("b", pairs=1000), entry("c"), entry("d", settings={"steps": 9}),
        entry("e", settings={"steps": 9, "width": 32}), AttackSpec(name="standard-ensemble"),
    ]  # fmt: skip
    assert last_steps(attacks) == [("b", "c"), ("d", "c")]


def test_black_box_beats_white_box() -> None:
    attacked = {"judge": "f"}
    black = _row("b", "decoder", "sar_type1", 0.8, **attacked)
    white = _row("w", "decoder-id", "sar_type1", 0.3, recognizer_access="white-box", **attacked)
    pictures = [
        _row(cell, name, "psnr", 14.0, judge="", fmr=None) for cell, name in (("b", "decoder"), ("w", "decoder-id"))
    ]
    assert "F2" in cross_cell_flags([black, white, *pictures])["w"]
    assert cross_cell_flags([black, white | {"value": 0.9, "ci_lo": 0.85, "ci_hi": 0.95}, *pictures]) == {}
    assert cross_cell_flags([black, white, pictures[1]]) == {}, "an embedding is not a picture"


def test_pixels_and_identity_disagree() -> None:
    pixel = {"judge": "", "fmr": None}
    mean = [_row("m", "mean-face", "psnr", 14.0, **pixel), _row("m", "mean-face", "sar_type2", 0.0)]
    sharp = [_row("x", "decoder", "psnr", 12.0, **pixel), _row("x", "decoder", "sar_type2", 0.6)]
    both = [_row("y", "decoder-id", "psnr", 16.0, **pixel), _row("y", "decoder-id", "sar_type2", 0.6)]
    found = cross_cell_flags(mean + sharp + both)
    assert "F13" in found["x"]
    assert "F13" not in found.get("y", set())


def test_what_is_too_good_to_be_true() -> None:
    def row(cell: str, attack: str, value: float, **more: object) -> Row:
        return _row(cell, attack, "cosine", value, **({"defense": "biohash"} | more))

    ceiling = row("c", "other-photo", 0.71234567)
    assert cross_cell_flags([ceiling, row("x", "decoder", 0.71234567)]) == {"x": {"F18"}}, "a ceiling's cosine"
    assert cross_cell_flags([ceiling, row("x", "decoder", 0.7123)]) == {}
    assert cross_cell_flags([row("x", "decoder", 0.9999)]) == {"x": {"F18"}}
    assert cross_cell_flags([row("x", "decoder", 0.9999, defense="none")]) == {}, "a plain template is the face"
    assert cross_cell_flags([row("x", "decoder", 0.9999, knowledge="K3")]) == {}, "a stolen key undoes it"
    less, more = (
        _row(k, "decoder", "sar_type2", v, defense="biohash", knowledge=k) for k, v in (("K0", 0.6), ("K1", 0.4))
    )
    assert cross_cell_flags([less, more]) == {"K0": {"F18"}}, "who knows less cannot do more"
    assert cross_cell_flags([less | {"ci_lo": 0.42}, more]) == {}
