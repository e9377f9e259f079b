"""One look for all figures, and one way to write them: PNG, PDF and the CSV twin, byte-stable."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import matplotlib
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .boards import write_csv

COLUMN = 3.3  # inches, one column of a two-column paper
INK, GREY, PALE = "#1b1b1b", "#6b6b6b", "#d9d9d9"
# Okabe and Ito's palette without black and yellow, which is too pale on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "h", "<", ">")
ROLE_COLOUR = {"ceiling": "#009E73", "attack": "#D55E00", "floor": "#5b7a99"}
SURFACES = {
    "template": "stored template",
    "wire": "data sent to the server",
    "image": "published picture",
}

_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so the bytes do not depend on the machine's fonts
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.hashsalt": "faceleak",
    "savefig.dpi": 200,
    "figure.dpi": 100,
}


@dataclass(frozen=True)
class Made:
    """One figure on disk: its stem in ``figures/``, what kind it is, and the words under it."""

    stem: str
    kind: str
    caption: str
    surface: str = ""
    dataset: str = ""
    recognizer: str = ""


@contextmanager
def house_style() -> Iterator[None]:
    """The suite's look for as long as the block lasts; the user's own settings come back after it."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        with matplotlib.rc_context(cast("Any", _RC)):
            yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, without pyplot's global state."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, folder: Path, stem: str, twin: pd.DataFrame) -> None:
    """Write ``stem``.png, .pdf and .csv; no dates and no versions inside, so equal inputs give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    notice = "Made by faceleak. Recovered faces are an attack's guesses, not photographs."
    figure.savefig(folder / f"{stem}.png", metadata={"Software": "faceleak", "Description": notice})
    figure.savefig(
        folder / f"{stem}.pdf",
        metadata={"Creator": "faceleak", "Producer": "faceleak", "CreationDate": None, "Subject": notice},
    )
    write_csv(twin, folder / f"{stem}.csv")


def stem(kind: str, *parts: str) -> str:
    """A file name from free text: letters, digits and dashes only, others for other texts.

    What had to be changed or cut carries a piece of its hash: ``r50_v1`` and ``r50-v1`` are two recognisers.
    """
    return "_".join([kind, *(_word(part) for part in parts if part)])


def _word(text: str, most: int = 48) -> str:
    plain = "".join(c if (c.isascii() and c.isalnum()) or c == "-" else "-" for c in text)[:most]
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def look(index: int) -> tuple[str, str]:
    """Colour and marker number ``index``: both change at every step, so that neither is needed alone."""
    return PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]


def percent(value: float, digits: int = 0) -> str:
    """``62 %``; small values keep a decimal."""
    if math.isnan(value):
        return "–"
    return f"{100 * value:.{max(digits, 1) if 0 < value < 0.0995 else digits}f} %"


def fmr_text(fmr: float) -> str:
    """``FMR 1 %``."""
    return f"FMR {100 * fmr:g} %"


def surface_text(surface: str) -> str:
    """Plain words for a surface."""
    return SURFACES.get(surface, surface or "system")


def error_lengths(value: float, lo: float, hi: float) -> tuple[float, float]:
    """Non-negative lengths of an error bar; 0 where there is no interval."""
    return (
        0.0 if math.isnan(lo) else max(value - lo, 0.0),
        0.0 if math.isnan(hi) else max(hi - value, 0.0),
    )


def shorten(text: str, most: int) -> str:
    """At most ``most`` letters; the CSV twin keeps the full name."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def squash(text: str, width: int) -> str:
    """``text`` broken at dashes and spaces into lines of at most about ``width`` letters."""
    lines = [""]
    for part in text.replace("-", "-\0").replace(" ", " \0").split("\0"):
        if lines[-1] and len(lines[-1].rstrip()) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.strip() for line in lines)


def groups_of(board: pd.DataFrame) -> list[tuple[tuple[str, str, str], pd.DataFrame]]:
    """(dataset, recognizer, surface) and its rows: surfaces never share a figure."""
    keys = ["dataset", "recognizer", "surface"]
    order = {"template": 0, "wire": 1, "image": 2}
    found = [((str(key[0]), str(key[1]), str(key[2])), rows) for key, rows in board.groupby(keys)]
    return sorted(found, key=lambda item: (item[0][:2], order.get(item[0][2], 9), item[0][2]))
