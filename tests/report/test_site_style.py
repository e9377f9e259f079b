"""Colours of the pages: every pair of text and ground has the contrast that WCAG 2.2 asks for, by day and by night."""

from __future__ import annotations

import re
from itertools import product

import pytest
from faceleak.bench.report.html import environment

Colour = tuple[float, ...]
TEXT, GROUNDS = ("ink", "soft", "link", "warn"), ("ground", "panel")
READABLE, VISIBLE = 4.5, 3.0  # WCAG 2.2 success criteria 1.4.3 (AA) and 1.4.11


def palettes() -> dict[str, dict[str, Colour]]:
    """Scheme -> name -> colour, of the style that the pages carry."""
    style = str(environment(site=True).globals["style"])
    day, night = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    light = colours(day)
    return {"light": light, "dark": light | colours(night)}


def colours(block: str) -> dict[str, Colour]:
    found = {name: tuple(int(digits[i : i + 2], 16) for i in (0, 2, 4))
             for name, digits in re.findall(r"--(\w+): #(\w{6})", block)}  # fmt: skip
    mixed = re.findall(r"--(\w+): (\d+, \d+, \d+)", block)
    return found | {name: tuple(map(int, text.split(","))) for name, text in mixed}


def luminance(colour: Colour) -> float:
    """Relative luminance, WCAG 2.2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: Colour, b: Colour) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)  # #777, known to fail AA


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_on_every_ground(scheme: str) -> None:
    palette = palettes()[scheme]
    assert palettes()["light"]["ground"] != palettes()["dark"]["ground"]
    for text, ground in product(TEXT, GROUNDS):
        assert contrast(palette[text], palette[ground]) >= READABLE, (text, ground)
    for filled in ("link", "ink"):  # buttons, and the numbers in filled marks
        assert contrast(palette["ground"], palette[filled]) >= READABLE
    assert contrast(palette["ink"], palette["ground"]) >= VISIBLE
    assert contrast(palette["soft"], palette["ground"]) >= VISIBLE  # intervals and dashed marks


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_can_be_read_on_every_shade_of_the_matrix(scheme: str) -> None:
    style, palette = str(environment(site=True).globals["style"]), palettes()[scheme]
    shades = {int(n): float(a) for n, a in re.findall(r"\.h(\d) \{ background: rgba\(var\(--heat\), ([\d.]+)\)", style)}
    assert sorted(shades) == list(range(10))
    (dark,) = re.findall(r"tr td:is\(([^)]*)\), td:is\(\1\) :is\(a, small\) \{ color: var\(--ink\); \}", style)
    inked = {int(name) for name in re.findall(r"\.h(\d)", dark)}
    for level, share in shades.items():
        ground = tuple(share * a + (1 - share) * b for a, b in zip(palette["heat"], palette["ground"]))
        for text in ("ink",) if level in inked else ("ink", "soft", "link"):
            assert contrast(palette[text], ground) >= READABLE, (level, text)
