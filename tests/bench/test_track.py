"""Track files are validated strictly; every mistake is one sentence with the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from faceleak.bench.core.errors import FaceleakError, TrackError
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.core.threat import DefenseKnowledge
from faceleak.bench.plan.cells import cells, levels, make_attack, make_defense
from faceleak.bench.plan.track import TRACKS, AttackSpec, load_track

HEAD = """
[dataset]
name = "toy-faces"
[splits]
public = { identities = 4 }
calibration = { identities = 4 }
victims = { identities = 4 }
[recognizers.a]
type = "toy-a"
[recognizers.b]
type = "toy-b"
[[targets]]
recognizer = "a"
judges = ["b"]
"""
PLUGINS = """
[[defenses]]
name = "none"
[[defenses]]
name = "biohash"
[[attacks]]
name = "grey"
[[attacks]]
name = "decoder"
"""
ENSEMBLE = "[[attacks]]\nname = 'standard-ensemble'\n"


def _load(tmp_path: Path, text: str):  # type: ignore[no-untyped-def]
    file = tmp_path / "mine.toml"
    file.write_text(text)
    return load_track(str(file))


@pytest.mark.parametrize("file", sorted(TRACKS.glob("*.toml")), ids=lambda f: f.stem)
def test_the_tracks_that_ship_are_valid(file: Path) -> None:
    track = load_track(file.stem)
    assert track.title
    assert track.expected, "says how long it takes and on what"
    planned = cells(track)
    assert len({str(c.labels()) for c in planned}) == len(planned), "no cell twice"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: "titel = 'x'\n" + t, "unknown key 'titel'; did you mean 'title'"),
        (lambda t: t.replace("judges", "juges"), "did you mean 'judges'"),
        (lambda t: t.replace("public = { identities", "public = { identitys"), "did you mean 'identities'"),
        (lambda t: t.replace("victims = {", "victim = {"), "did you mean 'victims'"),
        (lambda t: t.replace('judges = ["b"]', 'judges = ["c"]'), "no recognizer is called 'c'"),
        (lambda t: t.replace('judges = ["b"]', 'judges = ["a"]'), "neither itself"),
        (lambda t: t + "[protocol]\nheadline_fmr = 0.5\n", "headline_fmr 0.5 is not one of fmrs"),
        (lambda t: t + "[protocol]\nbootstrap = 'many'\n", "protocol.bootstrap = 'many'"),
        (lambda t: t + "[[attacks]]\nname = 'decoder'\n", "occur twice"),
        (lambda t: t.replace("[dataset]", "[dataset"), "not valid TOML"),
        (lambda t: t + ENSEMBLE + "members = ['decoderr']\n", "no attack is called 'decoderr'; did you mean 'decoder'"),
        (lambda t: t + ENSEMBLE + "settings = { steps = 3 }\n", "settings, pairs, queries or part to the members"),
        (lambda t: t + ENSEMBLE + "pairs = 3\n", "give settings, pairs, queries or part to the members"),
        (lambda t: t.replace('"decoder"', '"mean-face"') + ENSEMBLE, "'standard-ensemble' has no member in this track"),
        (lambda t: t + "members = ['grey']\n", "'decoder' has members; only standard-ensemble runs others"),
    ],
)
def test_mistakes_are_explained(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TrackError, match=r".*".join(message.split("*"))):
        _load(tmp_path, change(HEAD + PLUGINS))


def test_a_judge_is_no_member_of_the_surrogate(tmp_path: Path) -> None:
    """By the file of weights, under whatever name: what drew the picture does not judge it."""
    one, other = ('{ path = "NAME.onnx", family = "NAME" }'.replace("NAME", name) for name in ("one", "other"))
    joined = f"""
[recognizers.b]
type = "onnx"
settings = {one}
[recognizers.both]
type = "joined"
settings = {{ members = [{{ type = "onnx", settings = {other} }}, {{ type = "onnx", settings = {one} }}] }}
"""
    text = (HEAD + PLUGINS).replace('[recognizers.b]\ntype = "toy-b"', joined)
    text = text.replace('judges = ["b"]', 'judges = ["b"]\nsurrogate = "both"')
    with pytest.raises(TrackError, match=r"judge 'b' and surrogate 'both' are of one file, one\.onnx"):
        _load(tmp_path, text)
    assert _load(tmp_path, text.replace("one.onnx", "third.onnx", 1))


def test_unknown_plugins_and_settings_stop_the_plan(tmp_path: Path) -> None:
    with pytest.raises(FaceleakError, match="did you mean 'decoder'"):
        cells(_load(tmp_path, HEAD + PLUGINS.replace('"decoder"', '"decodr"')))
    wrong = PLUGINS + "settings = { step = 3 }\n"
    with pytest.raises(FaceleakError, match="no setting 'step'; did you mean 'steps'"):
        cells(_load(tmp_path, HEAD + wrong))


def test_a_missing_track_names_the_nearest() -> None:
    with pytest.raises(TrackError, match="did you mean 'quick'"):
        load_track("quik")


def test_cells_cross_what_fits(tmp_path: Path) -> None:
    planned = cells(_load(tmp_path, HEAD + PLUGINS))
    seen = {(c.defense.title, c.attack.title if c.attack else "", c.threat.defense.value if c.threat else "")
            for c in planned}  # fmt: skip
    assert ("none", "decoder", "K0") in seen
    assert ("none", "decoder", "K1") not in seen, "an undefended system has nothing to know"
    assert {k for d, a, k in seen if (d, a) == ("biohash", "decoder")} == {"K0", "K1", "K2", "K3"}
    assert {k for d, a, k in seen if (d, a) == ("biohash", "grey")} == {"K0"}
    assert ("biohash", "", "") in seen, "the cell that measures utility"


def test_surfaces_default_to_those_from_the_protected_one_on(tmp_path: Path) -> None:
    text = HEAD + "[[defenses]]\nname = 'pixelate'\n[[attacks]]\nname = 'grey'\n"
    assert {c.surface for c in cells(_load(tmp_path, text)) if c.surface} == {Surface.WIRE, Surface.TEMPLATE}


def test_two_names_are_a_composition(tmp_path: Path) -> None:
    text = HEAD + "[[defenses]]\nname = ['pixelate', 'biohash']\n[[attacks]]\nname = 'decoder'\n"
    planned = [c for c in cells(_load(tmp_path, text)) if c.attack]
    assert {c.defense.title for c in planned} == {"pixelate+biohash"}
    assert {c.threat.defense for c in planned if c.threat} == set(DefenseKnowledge)


def test_levels_asked_for_are_kept_within_what_makes_sense(tmp_path: Path) -> None:
    track = _load(tmp_path, HEAD + PLUGINS)
    attack = make_attack(track.attacks[1])
    none, biohash = (make_defense(spec) for spec in track.defenses)
    assert levels(attack, biohash, (DefenseKnowledge.K1,)) == (DefenseKnowledge.K1,)
    assert levels(attack, none, (DefenseKnowledge.K1,)) == (DefenseKnowledge.K0,)
    knows = make_attack(AttackSpec(name="wiener-deconvolution"))
    assert levels(knows, biohash, ()) == (DefenseKnowledge.K2,), "what it cannot do without is its only level"
    assert levels(knows, biohash, (DefenseKnowledge.K1,)) == ()
    assert levels(knows, none, ()) == (DefenseKnowledge.K0,)


MEMBERS = """
[[defenses]]
name = "biohash"
[[attacks]]
name = "decoder"
knowledge = ["K0", "K1"]
[[attacks]]
name = "decoder"
label = "few pairs"
pairs = 9
[[attacks]]
name = "score-regression"
victims = 5
[[attacks]]
name = "linear-ridge"
victims = 20
"""


def test_every_member_of_an_ensemble_runs_at_the_best_level_that_the_adversary_has(tmp_path: Path) -> None:
    text = HEAD + MEMBERS + ENSEMBLE + 'knowledge = ["K0", "K3"]\nvictims = 10\n'
    planned = [cell for cell in cells(_load(tmp_path, text)) if cell.members]
    assert [cell.labels()["knowledge"] for cell in planned] == ["K0", "K3"]
    known = {one.labels()["attack"]: (one.labels()["knowledge"], one.attack.victims)  # type: ignore[union-attr]
             for one in planned[1].members}  # fmt: skip
    assert known == {
        "decoder": ("K1", 10), "score-regression": ("K0", 5), "linear-ridge": ("K3", 10),
        "identity-extraction": ("K3", 10),
    }, "in full budgets, and with what tells who leaked"  # fmt: skip
    lone = [cell for cell in cells(_load(tmp_path, text.replace('"biohash"', '"none"'))) if cell.members]
    assert [cell.labels()["knowledge"] for cell in lone] == ["K0"], "without a defence there is nothing to know"
