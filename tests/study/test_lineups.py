"""Line-ups: who stands where, what the key and the page say, and scores of respondents whose skill is known."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faceleak.bench.cli.main import app
from faceleak.bench.core.errors import InputError
from faceleak.bench.study.answers import read_answers, read_key
from faceleak.bench.study.design import BASELINE, CATCH
from faceleak.bench.study.page import CONSENT
from faceleak.bench.study.score import score
from study.studies import FACES, answered, study, written
from systems import TOY_TRACK
from typer.testing import CliRunner


@pytest.fixture
def key(tmp_path: Path) -> dict[str, Any]:
    made = study(titles=("blur", "worse"))
    written(tmp_path, made)
    return read_key(tmp_path) | {"made": made.forms}


def call(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, done.output + str(done.exception or "")


def test_everybody_is_shown_once_in_a_form_and_over_the_forms_in_every_condition(key: dict[str, Any]) -> None:
    trials, forms = key["trials"], key["made"]
    assert [len(form) for form in forms] == [20, 20, 20]
    kinds = Counter()
    for form in forms:
        people = [trials[name]["person"] for name in form]
        assert len(set(people)) == len(people), "a person seen twice would be known from the first time"
        kinds += Counter((trials[name]["person"], trials[name]["kind"]) for name in form)
        assert sum(trials[name]["kind"] == CATCH for name in form) == 2
    shown = {kind for _, kind in kinds}
    assert shown == {"blur", "worse", BASELINE, CATCH}
    assert {count for (_, kind), count in kinds.items() if kind != CATCH} == {1}


def test_the_truth_stands_anywhere_and_the_baselines_person_nowhere(key: dict[str, Any]) -> None:
    places = Counter()
    for trial in key["trials"].values():
        names = [key["samples"][face].split("/")[0] for face in trial["candidates"]]
        assert len(set(names)) == FACES == len(names)
        places[names.index(trial["person"])] += 1
        assert key["samples"][trial["truth"]].split("/")[0] == trial["person"]
        if trial["kind"] == BASELINE:
            assert trial["shown"] not in names
        else:
            assert trial["shown"] == trial["person"]
    assert len(places) == FACES


def test_one_lineup_for_a_person_whatever_is_shown_above(key: dict[str, Any]) -> None:
    """Else the baseline would be of other line-ups than the rate that is held against it."""
    seen: dict[str, set[tuple[str, ...]]] = {}
    for trial in key["trials"].values():
        seen.setdefault(trial["person"], set()).add(tuple(trial["candidates"]))
    assert {len(found) for found in seen.values()} == {1}


def test_the_page_says_nothing_of_who_is_who_and_loads_nothing(tmp_path: Path) -> None:
    page = written(tmp_path, study(), contact="<b>Dr. & Co</b>").read_text()
    before, data, after = re.split(r'<script type="application/json" id="study">|</script>\n<script>', page)
    assert not re.search(r"id0\d+|baseline|catch|blur", data.replace(f'"study": "{data[11:23]}"', ""))
    assert not re.search(r"https?:|src=|//\w", before + after.replace("data:image/png", ""))
    assert "&lt;b&gt;Dr. &amp; Co&lt;/b&gt;" in page
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1].replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    for sentence in CONSENT:
        assert sentence.replace("'", "&#39;") in page


def test_scores_find_the_skill_that_respondents_have(key: dict[str, Any], tmp_path: Path) -> None:
    """Who knows every second person of ``blur`` and nobody else: 1/2 + 1/12, and chance."""
    skill = {"blur": 0.5, CATCH: 1.0}
    for i, text in enumerate(answered(key, 60, lambda kind: skill.get(kind, 0.0))):
        (tmp_path / f"{i}.csv").write_text(text)
    found = score(read_answers([tmp_path], key), key)
    blur, worse, base = (row._asdict() for row in found.table.itertuples(index=False))
    assert [row["condition"] for row in (blur, worse, base)] == ["blur", "worse", BASELINE]
    assert not found.excluded
    for row, rate in ((blur, 1 / 2 + 1 / 12), (worse, 1 / 6), (base, 1 / 6)):
        assert row["rate_lo"] <= rate <= row["rate_hi"]
        assert row["both_lo"] <= row["rate"] <= row["both_hi"]
        assert row["ratio_chance"] == pytest.approx(row["rate"] * FACES)
    assert blur["ratio_lo"] <= 3.5 <= blur["ratio_hi"]
    assert worse["ratio_lo"] <= 1 <= worse["ratio_hi"]
    assert np.isnan(base["ratio"])
    assert blur["d_prime_lo"] > 1 > 0.3 > abs(base["d_prime"])
    assert blur["kappa"] > 0.15 > abs(base["kappa"])


def test_who_fails_the_catch_trials_is_left_out_and_named(key: dict[str, Any], tmp_path: Path) -> None:
    texts = answered(key, 6, lambda kind: 1.0)
    texts[2] = answered(key, 6, lambda kind: 0.0, seed=3)[2].replace("r002", "sleeps")
    for i, text in enumerate(texts):
        (tmp_path / f"{i}.csv").write_text(text)
    code, output = call("lineup-score", str(tmp_path), str(tmp_path), "--out", str(tmp_path / "table.txt"))
    assert code == 0, output
    assert "Left out sleeps: fewer than 75 % of the catch trials right." in output
    assert "baseline: " in output
    assert (tmp_path / "table.txt").read_text().startswith("condition,respondents,")


def test_answers_that_are_not_the_studys_are_refused_in_a_sentence(key: dict[str, Any], tmp_path: Path) -> None:
    good = answered(key, 1, lambda kind: 1.0)[0]
    name = re.search(r",0,(\w{12}),1,", good)[1]
    place = tmp_path / "answers"
    place.mkdir()
    for text, told in (
        (good.replace(key["study"], "another"), "answers study 'another'"),
        (good.replace(name, "0" * 12), "no trial '000000000000'"),
        (re.sub(r"(,1,)\w{12},", r"\1ffffffffffff,", good, count=1), "stands in no line-up"),
        ("a,b\n1,2\n", "no column 'study'"),
        ("", "no CSV of answers"),
        (good.splitlines()[0] + "\n", "There are no answers"),
    ):
        (place / "one.csv").write_text(text)
        with pytest.raises(InputError, match=told):
            read_answers([place], key)
    (place / "one.csv").write_text(good)
    (place / "same.csv").write_text(good)
    assert len(read_answers([place], key)) == 20, "a file handed in twice counts once"
    row = good.splitlines()[1].split(",")
    other = next(face for face in key["trials"][row[3]]["candidates"] if face != row[5])
    (place / "same.csv").write_text(good.replace(row[5], other, 1))
    with pytest.raises(InputError, match="a second time and otherwise"):
        read_answers([place], key)
    for bad in ("nowhere", str(place / "one.csv")):
        code, output = call("lineup-score", bad, str(place))
        assert (code, "lineup-key.json" in output) == (1, True)


def test_a_key_is_not_overwritten_by_that_of_another_study(tmp_path: Path) -> None:
    written(tmp_path, study())
    written(tmp_path, study())
    with pytest.raises(InputError, match="key of another study"):
        written(tmp_path, study(seed=1))
    (tmp_path / "lineup-key.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        written(tmp_path, study())


def test_too_few_trials_people_or_faces_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="5 trials are too few for 1 conditions"):
        study(trials=5)
    with pytest.raises(InputError, match="ask for at most 44 trials"):
        study(trials=60)


@pytest.mark.slow
def test_from_a_run_to_its_page(tmp_path: Path) -> None:
    """By the commands: the strongest attack that draws pictures is the condition, the track comes out of run.json."""
    track = TOY_TRACK.replace("[protocol]", '[protocol]\nmeasure = ["identity"]')
    attacks = "".join(f'[[attacks]]\nname = "{name}"\n' for name in ("grey", "linear-ridge"))
    (tmp_path / "t.toml").write_text(track + '[[defenses]]\nname = "none"\n' + attacks)
    store = ["--store", str(tmp_path / "store"), "--quiet"]
    code, output = call("run", str(tmp_path / "t.toml"), "--out", str(tmp_path / "run"), "--no-report", *store)
    assert code == 0, output
    page = ["lineup", str(tmp_path / "run"), "--trials", "20", "--out", str(tmp_path / "page"), *store]
    code, output = call(*page)
    assert code == 0, output
    assert "Condition: a / none / template / linear-ridge / K0" in output
    made = json.loads((tmp_path / "page" / "lineup-key.json").read_text())
    assert (made["forms"], made["trials_per_form"]) == (2, 20)
    code, output = call(*page, "--trials", "200")
    assert (code, output.endswith("ask for at most 33 trials.")) == (1, True), output
