"""The line-up page in a real browser, answered by a scripted respondent: by keyboard and touch, wide and narrow."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from faceleak.bench.study.answers import read_answers, read_key
from faceleak.bench.study.design import BASELINE
from faceleak.bench.study.score import score
from study.studies import FACES, study, written

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)")

# The respondent knows the key by the picture above, which is how people know it too.
RESPONDENT = """<!doctype html>
<iframe id="frame" src="lineup.html" style="border: 0; width: %(width)dpx; height: 800px"></iframe><pre id="seen"></pre>
<script>
const key = %(key)s, frame = document.getElementById("frame"), seen = { overflow: [], refused: 0, orders: [] };
frame.addEventListener("load", () => {
  const page = frame.contentDocument, at = id => page.getElementById(id);
  page.addEventListener("securitypolicyviolation", () => { seen.refused += 1; });
  const study = JSON.parse(at("study").textContent);
  // One picture stands above two line-ups, in another form: the baseline shows what was recovered of somebody else.
  const fits = ([above, all], picture, faces) =>
    study.pictures[above] === picture && all.every(id => faces.includes(id));
  const whose = (...seen) => Object.entries(study.trials).find(([, trial]) => fits(trial, ...seen))[0];
  const press = key => page.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const wide = () => seen.overflow.push(page.documentElement.scrollWidth - frame.clientWidth);
  wide();
  seen.locked = at("begin").disabled;
  at("agree").click(); at("begin").click();
  for (let number = 0; !at("trial").hidden && number < 99; number += 1) {
    if (number === %(stop)d) { at("stop").click(); break; }
    const inputs = [...at("faces").querySelectorAll("input")], faces = inputs.map(input => input.value);
    const trial = key.trials[whose(at("above").src.split(",")[1], faces)];
    seen.orders.push(inputs.findIndex(input => input.value === trial.truth));
    if (!number) { wide(); seen.early = at("next").disabled; press("Enter"); seen.count = at("count").textContent; }
    // Knows everybody who is shown; in the baseline, where nobody can be known, takes the first.
    const place = trial.kind === "baseline" ? 0 : inputs.findIndex(input => input.value === trial.truth);
    if (number %% 2) { inputs[place].click(); at("next").click(); } else { press(String(place + 1)); press("Enter"); }
  }
  wide();
  seen.text = at("text").value; seen.name = at("save").download; seen.told = at("told").textContent;
  seen.href = at("save").href.slice(0, 5);
  document.getElementById("seen").textContent = JSON.stringify(seen);
});
</script>"""


def respond(folder: Path, width: int, stop: int = -1) -> dict[str, Any]:
    """What a respondent has seen and saved."""
    assert CHROMIUM is not None
    key = (folder / "lineup-key.json").read_text()
    (folder / "respondent.html").write_text(RESPONDENT % {"width": width, "key": key, "stop": stop})
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--allow-file-access-from-files", f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000",
         "--dump-dom", (folder / "respondent.html").as_uri()],
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    found = re.search(r'<pre id="seen">(.+?)</pre>', done.stdout, re.DOTALL)
    assert found, f"the respondent did not come to the end: {done.stderr[-2000:]}"
    assert "Content Security Policy" not in done.stderr
    return dict(json.loads(html.unescape(found[1])))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lineup")
    written(folder, study())
    return folder


def test_a_respondent_answers_all_and_is_scored(place: Path) -> None:
    seen = respond(place, 1200)
    assert (seen["locked"], seen["early"], seen["count"], seen["refused"]) == (True, True, "1 of 20", 0)
    assert max(seen["overflow"]) <= 0
    assert (seen["told"], seen["href"]) == ("You have answered 20 of 20 questions.", "blob:")
    assert len(set(seen["orders"])) > 2, "the person always stands in the same place"
    file = place / seen["name"]
    file.write_text(seen["text"])
    key = read_key(place)
    answers = read_answers([file], key)
    assert sorted(answers["order"].astype(int)) == list(range(1, 21))
    table = score(answers, key).table.set_index("condition")
    assert table.loc["blur", "rate"] == 1
    assert table.loc[BASELINE, "answers"] == 9
    assert table.loc["blur", "ratio_chance"] == FACES


def test_on_a_phone_and_stopped_early(place: Path) -> None:
    seen = respond(place, 390, stop=3)
    assert max(seen["overflow"]) <= 0
    assert seen["told"] == "You have answered 3 of 20 questions."
    assert len(seen["text"].splitlines()) == 4
