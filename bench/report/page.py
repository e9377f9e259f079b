"""index.html: one page for authors and engineers alike. It loads nothing from the network and runs no library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..record.flags import FLAGS
from .board_attributes import ALL
from .board_judges import agreement_sentences
from .board_measures import KEYS, generic_metrics, lines_of, words_for
from .html import environment, filters_of
from .load import RunFolder, table_of
from .newcomers import newcomers_of
from .one_judge import under_one_judge
from .shown import (
    ATTACKS_SHOWN,
    ATTRIBUTES_SHOWN,
    DEFENSES_SHOWN,
    JUDGES_SHOWN,
    PUBLICATION_SHOWN,
    RISK_SHOWN,
    SIGNIFICANCE_SHOWN,
    TRANSFER_SHOWN,
)
from .style import Made, fmr_text, groups_of, surface_text
from .summary import kin_sentences, publication_sentences, sentences
from .tables import Table, board_table, failure_rows, matrix_table
from .traits import Traits, traits_of

_SHARED = ("transfer", "roc", "scores", "training")  # figures that belong to no surface
_QUIET = ("not-applicable", "absent", "skipped-budget")


@dataclass(frozen=True)
class Section:
    """One data set, recognizer and surface: its findings, tables and figures."""

    anchor: str
    title: str
    about: str
    surface: str
    findings: list[str]
    tables: dict[str, Table]
    figures: dict[str, list[Made]]


def render_page(
    run: RunFolder, boards: dict[str, pd.DataFrame], figures: Sequence[Made], problems: Sequence[str]
) -> str:
    """The page as text.

    Args:
        run: the run folder.
        boards: as ``build_boards`` gives them.
        figures: what was drawn, relative to ``figures/``.
        problems: files that could not be read, one sentence each.
    """
    failures = failure_rows(run.cells, run.results)
    sections = _sections(run, boards, figures)
    used = sorted({name for text in run.results["flags"].unique() for name in str(text).split(",")} & set(FLAGS))
    traits = traits_of(run)
    return environment().get_template("index.html").render(
        run=run.run, env=run.env, rows=table_of(run.path).name,
        title=run.run.get("title") or run.run.get("track") or run.path.name,
        track=run.run.get("track") or "", state=run.run.get("state") or "unknown", command=run.run.get("command") or "",
        fmr=fmr_text(run.headline_fmr), fmr_share=f"{100 * run.headline_fmr:g} %", sections=sections,
        shared={kind: [made for made in figures if made.kind == kind] for kind in _SHARED},
        transfer=_transfer(_marked(boards["transfer"], run)), filters=_filters(traits, boards, sections), traits=traits,
        broken=[row for row in failures if row["status"] not in _QUIET],
        quiet=[row for row in failures if row["status"] in _QUIET],
        flags=FLAGS, used_flags=used, problems=list(problems), datasets=_table_of(run.manifest.get("datasets")),
        recognizers=_table_of(run.manifest.get("recognizers")), absent=_pairs(run.manifest.get("absent")),
        caveats=[str(text) for text in run.manifest.get("caveats") or ()], facts=_facts(run),
        board_names=list(boards), n_cells=run.results["cell"].nunique(), empty=not len(run.results),
    )  # fmt: skip


def _sections(run: RunFolder, boards: dict[str, pd.DataFrame], figures: Sequence[Made]) -> list[Section]:
    found: list[Section] = []
    newcomers = newcomers_of(run.run)
    for key, defenses in groups_of(boards["defenses"]):
        anchor = f"s{len(found) + 1}"
        attacks, matrix = (_only(boards[name], key) for name in ("attacks", "matrix"))
        probes = _only(boards["attributes"], key)
        if not len(attacks) and not len(probes) and len(boards["attacks"]):
            continue  # only its size in bytes is known; a section without an attack would say nothing
        tables = {"defenses": board_table(_marked(defenses, run), DEFENSES_SHOWN, f"{anchor}-defenses", "Defenses")}
        if len(attacks):
            tables["attacks"] = board_table(_marked(attacks, run), ATTACKS_SHOWN, f"{anchor}-attacks", "Attacks")
        shown, judge = under_one_judge(matrix)
        if judge:
            tables["matrix"] = matrix_table(
                shown,
                _first_cells(run, key),
                f"{anchor}-matrix",
                f"Every attack on every defense, judge {judge}",
            )
        if len(compared := _only(boards["significance"], key)):
            title = "Paired comparisons"
            tables["significance"] = board_table(
                _marked(compared, run), SIGNIFICANCE_SHOWN, f"{anchor}-significance", title
            )
        if len(probes):
            means = probes[probes["attribute"] == ALL]
            tables["attributes"] = board_table(means, ATTRIBUTES_SHOWN, f"{anchor}-attributes", "Attributes")
        if "risk" in boards and len(risk := _only(boards["risk"], key).query("strongest == 'yes'")):
            tables["risk"] = board_table(risk, RISK_SHOWN, f"{anchor}-risk", "A factor of four?")
        agreed = _only(boards["judges"], key) if "judges" in boards else pd.DataFrame()
        if len(agreed):
            tables["judges"] = board_table(agreed, JUDGES_SHOWN, f"{anchor}-judges", "Do judges agree?")
        posted = boards["publication"]
        posted = posted[(posted["dataset"] == key[0]) & (posted["recognizer"] == key[1])]
        if len(posted) and key[2] in ("image", ""):
            title = "Published pictures"
            tables["publication"] = board_table(posted, PUBLICATION_SHOWN, f"{anchor}-publication", title)
        if "measures" in boards and len(others := lines_of(boards["measures"], key)):
            words = words_for(others, generic_metrics(run))
            columns = (*KEYS[3:], *words)
            tables["measures"] = board_table(others, columns, f"{anchor}-measures", "Further measurements", words)
        drawn: dict[str, list[Made]] = {}
        for made in figures:
            if (made.dataset, made.recognizer, made.surface) == key:
                drawn.setdefault(made.kind, []).append(made)
        if newcomers:
            tables = {kind: newcomers.marked(table) for kind, table in tables.items()}
        title = surface_text(key[2])
        about = f"data {key[0]}, recognizer {key[1]}"
        findings = [*sentences(defenses, run.headline_fmr), *kin_sentences(run.taught_alike(key[1]), key[1])]
        if "publication" in tables:  # such systems are not there to verify
            findings = publication_sentences(posted, run.headline_fmr)
        findings += agreement_sentences(agreed) if len(agreed) else []
        found.append(Section(anchor, title[:1].upper() + title[1:], about, key[2], findings, tables, drawn))
    return found


def _first_cells(run: RunFolder, key: tuple[str, str, str]) -> dict[tuple[str, ...], str]:
    """(attack, knowledge, defense) -> the cell of its first seed."""
    rows = _only(run.results[run.results["attack"] != ""], key).sort_values("seed", kind="stable")
    names = ["attack", "knowledge", "defense"]
    return {tuple(map(str, who)): str(part["cell"].iloc[0]) for who, part in rows.groupby(names)}


def _marked(board: pd.DataFrame, run: RunFolder) -> pd.DataFrame:
    """``board`` with a mark behind judges that learnt from the people whom the attacked recogniser learnt from."""
    judges = [
        f"{judge} ‡" if judge in run.taught_alike(str(recognizer)) else judge
        for recognizer, judge in zip(board["recognizer"], board["judge"])
    ]
    return board.assign(judge=judges)


def _only(board: pd.DataFrame, key: tuple[str, str, str]) -> pd.DataFrame:
    return board[(board["dataset"] == key[0]) & (board["recognizer"] == key[1]) & (board["surface"] == key[2])]


def _transfer(board: pd.DataFrame) -> Table | None:
    return board_table(board, TRANSFER_SHOWN, "transfer", "Attacked recognizer by judge") if len(board) else None


def _filters(traits: Traits, boards: dict[str, pd.DataFrame], sections: list[Section]) -> dict[str, list[str]]:
    attacks = boards["attacks"]
    return filters_of(traits, {
        "surface": [section.surface for section in sections],
        "knowledge": attacks.loc[attacks["role"] == "attack", "knowledge"],
        "defense": boards["defenses"]["defense"],
    })  # fmt: skip


def _facts(run: RunFolder) -> list[tuple[str, str]]:
    """Provenance in reading order: the run, then the machine; nested values as short text."""
    facts = [
        (name, _short(run.run[name])) for name in ("track", "state", "started", "finished", "cells") if name in run.run
    ]
    facts += [(f"protocol: {name}", _short(value)) for name, value in sorted(_map(run.run.get("protocol")).items())]
    return facts + [(str(name), _short(value)) for name, value in run.env.items()]


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _pairs(value: Any) -> list[tuple[str, str]]:
    return [(str(name), _short(part)) for name, part in sorted(_map(value).items())]


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_short(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_short(part) for part in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _table_of(value: Any) -> tuple[list[str], list[list[str]]]:
    """A dict of dicts as headings and rows."""
    parts = {str(name): _map(part) for name, part in _map(value).items()}
    heads = list(dict.fromkeys(str(key) for part in parts.values() for key in part))
    return ["name", *heads], [[name, *(_short(part.get(key)) for key in heads)] for name, part in sorted(parts.items())]
