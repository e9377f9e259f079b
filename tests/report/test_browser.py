"""The pages in a real browser: a heading clicked, filters set, and what is to be seen then, wide and phone-narrow."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from faceleak.bench.report import make_report

from .fixture_run import Shape, build_run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)")

# The page stands in a frame of the wanted width, untouched; the frame's owner clicks and reads.
PROBE = """<!doctype html>
<iframe id="frame" src="%(page)s" style="border: 0; width: %(width)dpx; height: 900px"></iframe><pre id="seen"></pre>
<script>
const frame = document.getElementById("frame");
let page;
const visible = part => part.getClientRects().length > 0;
const table = id => page.querySelector(`[aria-labelledby="${id}"] table`);
const firsts = id => [...table(id).tBodies[0].rows].filter(visible).map(row => row.cells[0].textContent);
const sections = () => [...page.querySelectorAll("section.group")].filter(visible).map(part => part.dataset.surface);
function sort(id, label) {
  const button = [...table(id).querySelectorAll("th button")].find(button => button.textContent === label);
  button.click();
  return [firsts(id), button.parentElement.getAttribute("aria-sort")];
}
function choose(name, value) {
  const choice = page.querySelector(`#filters [name="${name}"]`);
  choice.value = value;
  choice.dispatchEvent(new Event("change", { bubbles: true }));
}
frame.addEventListener("load", () => {
  page = frame.contentDocument;
  const seen = { overflow: page.documentElement.scrollWidth - frame.clientWidth };
  %(steps)s
  document.getElementById("seen").textContent = JSON.stringify(seen);
});
</script>"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_run(tmp_path_factory.mktemp("browser") / "run", Shape(3, 2, (0,), pictures=False, scores=True))
    make_report(folder)
    return folder


def browse(run: Path, page: str, steps: str, width: int = 1200, night: bool = False) -> dict[str, Any]:
    """What the steps have written into ``seen``; by night a system that prefers dark colours."""
    assert CHROMIUM is not None
    (run / "probe.html").write_text(PROBE % {"page": page, "width": width, "steps": steps})
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--allow-file-access-from-files", f"--user-data-dir={run / 'profile'}", "--virtual-time-budget=5000",
         f"--blink-settings=preferredColorScheme={0 if night else 1}",
         "--dump-dom", (run / "probe.html").as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    found = re.search(r'<pre id="seen">(.+?)</pre>', done.stdout, re.DOTALL)
    assert found, f"the steps did not run to their end: {done.stderr[-2000:]}"
    return dict(json.loads(html.unescape(found[1])))


def test_headings_sort_and_filters_hide(run: Path) -> None:
    seen = browse(run, "index.html", """
      seen.first = firsts("s1-attacks");
      seen.names = sort("s1-attacks", "attack");
      seen.backwards = sort("s1-attacks", "attack");
      seen.numbers = sort("s1-defenses", "SAR-II, %");
      seen.sections = [sections()];
      choose("surface", "wire"); seen.sections.push(sections()); choose("surface", "");
      seen.defenses = {};
      for (const [name, value] of [["goal", "anonymize"], ["secret", "deployment"], ["defense", "none"]]) {
        choose(name, value); seen.defenses[value] = firsts("s1-defenses"); choose(name, "");
      }
      choose("knowledge", "K1"); seen.adaptive = [...table("s1-attacks").tBodies[0].rows].filter(visible)
        .filter(row => !row.className.match(/floor|ceiling/)).map(row => row.cells[1].textContent);
      choose("knowledge", ""); seen.after = sections();
    """)  # fmt: skip
    names, way = seen["names"]
    assert (names, way) == (sorted(seen["first"]), "ascending")
    assert seen["first"] != names, "the board begins in another order"
    assert seen["backwards"] == [names[::-1], "descending"]
    assert seen["numbers"] == [["none", "gaussian-noise", "biohash"], "descending"], "the largest number first"
    assert seen["sections"] == [["template", "wire"], ["wire"]]
    # The undefended system is the reference of every goal and secret.
    assert {name: sorted(found) for name, found in seen["defenses"].items()} == {
        "anonymize": ["gaussian-noise", "none"], "deployment": ["biohash", "none"], "none": ["none"],
    }  # fmt: skip
    assert set(seen["adaptive"]) == {"K1"}
    assert seen["after"] == ["template", "wire"], "a filter taken back hides nothing"


def test_on_a_phone_only_the_tables_scroll_sideways(run: Path) -> None:
    seen = browse(run, "index.html", "seen.table = table('s1-defenses').scrollWidth - frame.clientWidth;", width=420)
    assert seen["overflow"] <= 0
    assert seen["table"] > 0, "the table is wider than a phone, or this test shows nothing"


def test_a_link_opens_its_cell(run: Path) -> None:
    key = "nbnet-biohash-wire-K1-0"
    assert f'href="cells.html#c-{key}"' in (run / "index.html").read_text()
    seen = browse(run, f"cells.html#c-{key}", """
      seen.open = [...page.querySelectorAll("details[open]")].map(part => part.id);
      const cell = page.querySelector("details[open]");
      seen.curve = visible(cell.querySelector("polyline"));
      seen.command = cell.querySelector("pre").textContent;
      choose("attack", "nbnet"); choose("secret", "deployment");
      seen.left = [...page.querySelectorAll("details.cell")].filter(visible).map(part => part.id);
    """, width=420)  # fmt: skip
    assert seen["open"] == [f"c-{key}"]
    assert seen["curve"]
    assert seen["command"] == f"faceleak run made-up --only {key}"
    assert set(seen["left"]) >= {f"c-{key}", "c-u-biohash", "c-nbnet-none-template-K0-0"}
    assert not [name for name in seen["left"] if "gaussian" in name or "decoder" in name]
    assert seen["overflow"] <= 0


def test_the_pages_show_their_pictures_and_run_nothing_that_was_brought_in(run: Path) -> None:
    page = (run / "index.html").read_text()
    evil = '<script>window.ran = true</script><img src="x" onerror="window.ran = true"><style>h1 { color: red }</style>'
    (run / "spoilt.html").write_text(page.replace("<header>", f"{evil}<header>"))
    seen = browse(run, "spoilt.html", """
      const drawn = [...page.querySelectorAll("figure img")].filter(visible);
      seen.drawn = drawn.length && drawn.every(picture => picture.naturalWidth > 0);
      seen.ran = frame.contentWindow.ran === true;
      seen.styled = frame.contentWindow.getComputedStyle(page.body).maxWidth;
      seen.red = frame.contentWindow.getComputedStyle(page.querySelector("h1")).color;
      seen.sorts = sort("s1-attacks", "attack")[1];
    """)  # fmt: skip
    assert seen["drawn"]
    assert not seen["ran"]
    assert seen["styled"] == "1344px"
    assert seen["red"] != "rgb(255, 0, 0)"
    assert seen["sorts"] == "ascending"
