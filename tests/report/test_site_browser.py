"""The site in a real browser: narrow as a phone, by keyboard, by day and by night, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from .test_browser import CHROMIUM, browse

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)")
# Ratio of every visible piece of text to what lies under it, WCAG 2.2; those too pale for AA are named.
CONTRAST = """
  const numbers = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const over = (top, under) => { const a = top[3] ?? 1; return [0, 1, 2].map(i => a * top[i] + (1 - a) * under[i]); };
  const linear = part => part / 255 <= .04045 ? part / 255 / 12.92 : ((part / 255 + .055) / 1.055) ** 2.4;
  const light = colour => { const [r, g, b] = colour.map(linear);
    return .2126 * r + .7152 * g + .0722 * b; };
  const view = frame.contentWindow, walker = page.createTreeWalker(page.body, 4), pale = new Set();
  let texts = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const part = node.parentElement, style = view.getComputedStyle(part);
    if (!node.textContent.trim() || !visible(part) || part.closest("script, style")) continue;
    const chain = [];
    for (let up = part; up; up = up.parentElement) chain.push(numbers(view.getComputedStyle(up).backgroundColor));
    const ground = chain.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
    if (part.closest("svg")) continue; // its grounds are shapes: held by the palette
    const ink = over(numbers(style.color), ground);
    const [low, high] = [light(ink), light(ground)].sort((a, b) => a - b);
    texts += 1;
    if ((high + .05) / (low + .05) < 4.5) pale.add(`${part.tagName}.${part.className}: ${node.textContent.trim()}`);
  }
  seen.ground = view.getComputedStyle(page.body).backgroundColor; seen.texts = texts; seen.pale = [...pale].slice(0, 5);
"""


def test_a_mark_that_is_stepped_to_tells_its_numbers(site: Path) -> None:
    seen = browse(site, "published.html", """
      const figure = page.querySelector("figure.pareto"), marks = [...figure.querySelectorAll("a.mark")];
      seen.marks = marks.map(mark => [mark.dataset.name, mark.getAttribute("aria-label"), mark.href.baseVal]);
      seen.tab = marks.every(mark => { mark.focus(); return page.activeElement === mark; });
      marks[1].focus(); marks[1].dispatchEvent(new Event("focus"));
      seen.told = figure.querySelector(".detail").textContent;
      seen.named = [...figure.querySelectorAll(".marks .on")].map(part => part.textContent);
      marks[2].dispatchEvent(new frame.contentWindow.PointerEvent("pointerenter", { pointerType: "mouse" }));
      seen.pointed = figure.querySelector(".detail").textContent;
    """, width=360)  # fmt: skip
    names = [name for name, *_ in seen["marks"]]
    assert len(names) > 5
    assert seen["tab"]
    assert seen["told"].startswith(f"{names[1]}: ")
    assert seen["named"] == [names[1]]
    assert seen["pointed"].startswith(f"{names[2]}: ")
    assert all(name in label and "%" in label and "cells.html#c-" in href for name, label, href in seen["marks"])
    assert seen["overflow"] <= 0


def test_the_search_keeps_what_has_every_word(site: Path) -> None:
    seen = browse(site, "search.html#q=edgeface+DECODER", """
      const left = () => [...page.getElementById("found").tBodies[0].rows].filter(visible).map(row => row.textContent);
      seen.asked = left(); seen.hits = page.getElementById("hits").textContent;
      const box = page.getElementById("q"); box.value = "lfw-images tip-im"; box.dispatchEvent(new Event("input"));
      seen.typed = left(); seen.address = frame.contentWindow.location.hash;
      box.value = ""; box.dispatchEvent(new Event("input")); seen.all = left().length;
    """, width=360)  # fmt: skip
    assert seen["asked"]
    assert all("decoder" in row.lower() and "edgeface" in row.lower() for row in seen["asked"])
    assert seen["hits"] == f"{len(seen['asked'])} of {seen['all']} cells"
    assert seen["typed"]
    assert all("tip-im" in row for row in seen["typed"])
    assert seen["address"] == "#q=lfw-images+tip-im"
    assert seen["overflow"] <= 0


@pytest.mark.slow
@pytest.mark.parametrize("page", ["index.html", "stored.html", "published.html", "boards/lfw-attacks/index.html",
                                  "boards/lfw-attacks/cells.html", "search.html"])  # fmt: skip
@pytest.mark.parametrize("night", [False, True], ids=["day", "night"])
def test_text_can_be_read_and_no_page_is_wider_than_a_phone(site: Path, page: str, night: bool) -> None:
    seen = browse(site, page, "for (const part of page.querySelectorAll('details')) part.open = true;" + CONTRAST,
                  width=360, night=night)  # fmt: skip
    assert (seen["ground"] == "rgb(23, 23, 22)") == night
    assert seen["texts"] > 50
    assert seen["pale"] == []
    assert seen["overflow"] <= 0
