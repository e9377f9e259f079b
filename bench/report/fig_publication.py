"""Published pictures: how many are not found against how visible the protection is."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.ticker import FuncFormatter

from .rows import UNDEFENDED
from .style import COLUMN, GREY, INK, Made, error_lengths, fmr_text, look, new_figure, save, stem

_AXES = {
    "lpips": "LPIPS to the original   (left is less visible)",
    "ssim": "SSIM to the original   (right is less visible)",
}


def draw_publications(board: pd.DataFrame, fmr: float, folder: Path) -> list[Made]:
    """One figure per data set and recognizer.

    Args:
        board: as ``publication_board`` gives it.
        fmr: the headline false match rate.
        folder: where the files go.
    """
    made = []
    for (dataset, recognizer), rows in board.groupby(["dataset", "recognizer"]):
        x = "lpips" if rows["lpips"].notna().all() else "ssim"
        points = rows[rows[x].notna() & rows["psr_dodging"].notna()]
        if len(points) < 2:
            continue
        name = stem("publication", str(dataset), str(recognizer))
        _draw(points, x, fmr, f"data {dataset}", folder / name)
        caption = (
            "Published pictures: up, fewer of them are found by a judge that no protector ever had; across, how far "
            "the picture is from the original. Bars are 95 % intervals. The dashed line is Gaussian noise."
        )
        if x == "ssim":
            caption += " LPIPS is absent from this run, SSIM stands in its place."
        made.append(Made(name, "publication", caption, "image", str(dataset), str(recognizer)))
    return made


def _draw(points: pd.DataFrame, x: str, fmr: float, about: str, path: Path) -> None:
    figure = new_figure(2 * COLUMN, max(3.0, 0.55 + 0.165 * (len(points) + 1)))
    height = figure.get_figheight()
    axes = figure.add_axes((0.085, 0.4 / height, 0.58, 1 - 0.95 / height))
    plain = points["defense"] == UNDEFENDED
    noise = points[plain | points["is_noise"]].sort_values(x)
    if len(noise) > 2:
        axes.plot(noise[x], noise["psr_dodging"], color=GREY, lw=0.8, ls=(0, (4, 2)), label="Gaussian noise", zorder=1)
    for index, (_, row) in enumerate(points.sort_values(["goal", "defense"]).iterrows()):
        colour, marker = (INK, "*") if row["defense"] == UNDEFENDED else look(index)
        below, above = error_lengths(row["psr_dodging"], row["psr_dodging_lo"], row["psr_dodging_hi"])
        axes.errorbar(
            row[x], row["psr_dodging"], yerr=[[below], [above]], fmt=marker, color=colour, ms=6, mec="white", mew=0.5,
            elinewidth=0.7, zorder=4,
        )  # fmt: skip
        label = "published as it is" if row["defense"] == UNDEFENDED else f"{row['defense']}  ({row['goal']})"
        axes.plot([], [], marker, color=colour, ms=6, mec="white", mew=0.5, label=label)
    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    axes.grid(color="#eeeeee", lw=0.5)
    axes.set_axisbelow(True)
    axes.set_xlabel(_AXES[x])
    axes.set_ylabel(f"not found (1 − SAR-II at {fmr_text(fmr)})")
    top = 1 - 0.14 / height
    figure.text(0.012, top, "Who is found in published pictures", fontsize=9.5, weight="bold", va="center")
    judge = ", ".join(sorted(points["judge"].unique()))
    line = f"{about}  ·  judge {judge}, unknown to every protector"
    figure.text(0.012, top - 0.19 / height, line, color=GREY, va="center")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.02), borderaxespad=0, handlelength=2.2, labelspacing=0.55)
    ends = ("", "_lo", "_hi")
    columns = ["dataset", "recognizer", "defense", "goal", "judge", *(f"psr_dodging{end}" for end in ends)]
    save(figure, path.parent, path.name, points[[*columns, *(f"{x}{end}" for end in ends)]])
