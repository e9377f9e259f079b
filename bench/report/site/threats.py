"""Boards by what an adversary has: a page for each threat, a group for each data set and attacked recognizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from ..rows import UNDEFENDED
from ..style import groups_of, stem
from ..summary import kin_sentences, publication_sentences, sentences
from ..tables import Table, board_table
from .board import Board
from .pareto import Plot, defense_plot, publication_plot

_DEFENSES = (
    "defense", "rank", "sar2", "worst_attack", "identity_sar2", "identity_attack", "floor_sar2", "floor", "accuracy",
    "accuracy_diff", "matched", "pareto", "flags", "judge", "utility",
)  # fmt: skip
_PUBLICATION = (
    "defense", "goal", "psr_dodging", "noise_dodging", "beats_noise", "washed_sar2", "washed_by", "identity_sar2",
    "rank1_published", "psnr", "ssim", "recovery_psnr_8bit", "recovery_psnr_wrong_key", "judge",
)  # fmt: skip
# Column -> the column that names its attack; "" is the system without one.
_SOURCES = {
    "defense": "", "accuracy": "", "psr_dodging": "", "psnr": "", "ssim": "", "recovery_psnr_8bit": "",
    "sar2": "worst_attack", "worst_attack": "worst_attack", "identity_sar2": "identity_attack",
    "identity_attack": "identity_attack", "floor_sar2": "floor", "floor": "floor", "washed_sar2": "washed_by",
    "washed_by": "washed_by",
}  # fmt: skip


@dataclass(frozen=True)
class Threat:
    """Where an adversary taps a system."""

    surface: str
    page: str
    title: str
    about: str
    has: str  # what the adversary has, in a few words


THREATS = (
    Threat(
        "template", "stored.html", "Stored templates",
        "A face recognizer keeps a list of numbers for everybody it knows: the template. Whoever copies the "
        "database has them all. Attacks try to draw the face that a template came from, or to say whose it is "
        "without drawing anything. A recognizer that no attack has seen then decides whether the picture passes as "
        "that person in another photo. Defenses change what is stored, and are judged by two numbers: how many "
        "people still come back, and how well the system still recognizes those it should.",
        "the database of templates",
    ),
    Threat(
        "wire", "sent.html", "Data sent to a server",
        "Where a server does the recognizing, a phone or a door camera sends it a picture, or something made of "
        "one that is meant to show nobody: a few frequencies, a residue, a scrambled map. Whoever listens on the "
        "way, or runs the server, has what was sent. Attacks draw the face from it, or name the person. Most "
        "defenses here train a recognizer of their own that reads what they send; if that one was not trained to "
        "its end, the board says so (flag F17) and gives no verdict.",
        "what travels to the server",
    ),
    Threat(
        "image", "published.html", "Published pictures",
        "Photos that are put online can be searched by anybody who has a face recognizer. Cloaks, anonymizers and "
        "locks change a photo before it is published. Measured is whether a recognizer that the protection never "
        "met still finds the person, what the picture looks like, how many people are found after somebody has "
        "washed the protection off again, and what comes back with the right or a wrong key.",
        "the pictures themselves",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Group:
    """One data set, attacked recognizer and surface of one board."""

    board: Board
    anchor: str
    about: str
    findings: list[str]
    table: Table
    plot: Plot | None
    links: list[tuple[str, str]]
    open: bool  # whether the unprotected system is among them, with a number


def groups(boards: Sequence[Board], surface: str) -> list[Group]:
    """What the boards have of a threat: real faces first, then the youngest."""
    return [group for board in ordered(boards) for group in _of(board, surface)]


def ordered(boards: Sequence[Board]) -> list[Board]:
    """Real faces first, then the youngest."""
    return sorted(sorted(boards, key=lambda one: (one.age.last, one.name), reverse=True), key=lambda one: not one.real)


def _of(board: Board, surface: str) -> Iterator[Group]:
    defenses, published = board.tables["defenses"], board.tables.get("publication", pd.DataFrame())
    shown: set[tuple[str, str]] = set()
    for (dataset, recognizer), rows in published.groupby(["dataset", "recognizer"]) if surface == "image" else ():
        shown.add((str(dataset), str(recognizer)))
        yield _published(board, rows, (str(dataset), str(recognizer), surface))
    attacked = {key for key, _ in groups_of(board.tables["attacks"])}  # of others only a size in bytes is known
    for key, rows in groups_of(defenses):
        if key[2] == surface and key[:2] not in shown and key in attacked:
            yield _defended(board, rows, key)


def _defended(board: Board, rows: pd.DataFrame, key: tuple[str, str, str]) -> Group:
    fmr, cell_of, anchor = board.run.headline_fmr, _cells(board, key[2]), _anchor(board, key)
    findings = [*sentences(rows, fmr), *kin_sentences(board.run.taught_alike(key[1]), key[1])]
    table = board_table(rows, _DEFENSES, f"{anchor}-table", "Defenses, each against its strongest attack",
                        cell_of=cell_of)  # fmt: skip
    plain = rows[rows["defense"] == UNDEFENDED]
    return Group(
        board, anchor, _about(key), _tied(findings), table, defense_plot(rows, fmr, cell_of), _links(board, key),
        bool((plain["sar2"].notna() | plain["identity_sar2"].notna()).any()),
    )  # fmt: skip


def _published(board: Board, rows: pd.DataFrame, key: tuple[str, str, str]) -> Group:
    cell_of, anchor = _cells(board, key[2]), _anchor(board, key)
    findings = publication_sentences(rows, board.run.headline_fmr)
    table = board_table(rows, _PUBLICATION, f"{anchor}-table", "Published pictures", cell_of=cell_of)
    return Group(
        board, anchor, _about(key), _tied(findings), table, publication_plot(rows, cell_of), _links(board, key),
        bool((rows["defense"] == UNDEFENDED).any()),
    )  # fmt: skip


def _cells(board: Board, surface: str) -> Callable[[pd.Series, str], str]:
    def cell_of(row: pd.Series, column: str) -> str:
        if column not in _SOURCES:
            return ""
        system = (str(row["dataset"]), str(row["recognizer"]), str(row["defense"]))
        source = _SOURCES[column]
        attack = str(row.get(source, "")) if source else ""
        return board.cell_of(system, surface, attack) if attack or not source else ""

    return cell_of


def _anchor(board: Board, key: tuple[str, str, str]) -> str:
    return stem(board.name, *key[:2])


def _tied(findings: list[str]) -> list[str]:
    """No line ends between a number and its percent sign."""
    return [text.replace(" %", "\u00a0%") for text in findings]


def _about(key: tuple[str, str, str]) -> str:
    return f"data {key[0]}, attacked recognizer {key[1]}"


def _links(board: Board, key: tuple[str, str, str]) -> list[tuple[str, str]]:
    """Beside the tables: the whole report, curves, grids, provenance, rows."""
    found = [("whole report", f"{board.home}index.html"), ("all cells, with curves and commands",
             f"{board.home}cells.html")]  # fmt: skip
    for words, kind in (("grid of recoveries by attack", "grid-attacks"), ("by defense", "grid-defenses"),
                        ("all attacks as a ladder", "ladder"), ("attack by defense", "matrix"),
                        ("training curves", "loss")):  # fmt: skip
        found += [(words, path) for path in board.figures(kind, *key)[:1]]
    rows = "results.csv.gz" if (board.run.path / "results.csv.gz").is_file() else "results.csv"
    return [*found, ("provenance", f"{board.home}index.html#provenance"), ("all rows", f"{board.home}{rows}")]
