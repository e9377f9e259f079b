"""``faceleak lineup``: from a run to one page for respondents and one key for whoever scores their answers."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ..core.errors import InputError
from ..plan.cells import Cell, make_attack
from ..prepare.session import Session
from ..report.board_attacks import matrix_board
from ..report.board_attributes import split_probes
from ..report.load import RunFolder
from ..report.rows import UNDEFENDED, prepare
from .design import CATCH, Lineup, Trial, foils_of, lineup, most, shares, trials_of
from .stimuli import Photographs, Stimuli, photographs, stimuli_of

_NAMES = ("recognizer", "defense", "surface", "attack", "knowledge")
_ROOM = 3  # so many foils for each place: else people of other line-ups stand in, too


@dataclass(frozen=True)
class Study:
    """A page's content and its key.

    Args:
        pictures: id -> PNG.
        shown: trial -> (id of the picture above, ids of the candidates); no word on who is who.
        forms: names of the trials of each form; a respondent sees one form.
        key: what the answers are scored by; for whoever runs the study alone.
    """

    pictures: Mapping[str, bytes]
    shown: Mapping[str, tuple[str, tuple[str, ...]]]
    forms: Sequence[Sequence[str]]
    key: Mapping[str, Any]


def strongest(run: RunFolder, cells: Sequence[Cell]) -> Cell:
    """The cell that recovered pictures of most victims of the undefended system: of an attack if there is one, else of
    a floor, by an independent judge if there is one.

    Raises:
        InputError: the run has no such cell.
    """
    board = matrix_board(prepare(split_probes(run.results)[1], run.headline_fmr, run.roles))
    board = board[(board["defense"] == UNDEFENDED) & board["sar2"].notna()].sort_values("sar2", ascending=False)
    here = {tuple(cell.labels()[name] for name in _NAMES): cell for cell in reversed(cells) if _pictured(cell)}
    for role in ("attack", "floor"):
        for kind in ("independent", "target"):
            for row in board[(board["judge_kind"] == kind) & (board["role"] == role)].to_dict("records"):
                named = row | {"attack": str(row["attack"]).split(" [")[0]}  # without its budget
                if cell := here.get(tuple(named[name] for name in _NAMES)):
                    return cell
    raise InputError(
        f"{run.path} has no attack that recovers pictures of the undefended system; name cells with --only."
    )


def _pictured(cell: Cell) -> bool:
    return cell.attack is not None and "image" in make_attack(cell.attack).recovers


def make_study(session: Session, cells: Sequence[Cell], trials: int, faces: int, seed: int) -> Study:
    """Line-ups for ``cells``, each a condition beside the randomised baseline.

    Args:
        session: of the run's track.
        cells: conditions.
        trials: line-ups that a respondent sees, catch trials among them.
        faces: candidates in a line-up.
        seed: of who stands where.

    Raises:
        InputError: too few people, trials or faces.
    """
    shares(trials, len(cells))  # before minutes go into attacks
    if len({session.of(cell.seed).seed for cell in cells}) > 1:
        raise InputError("The cells are of several seeds, each with people of its own; choose one by --only seed=SEED.")
    conditions = [stimuli_of(session, cell) for cell in cells]
    leaked: dict[str, set[int]] = {}
    for one in conditions:
        for who, rows in one.leaked.items():
            leaked.setdefault(who, set()).update(rows)
    return assembled(conditions, photographs(session.of(cells[0].seed), cells, leaked, seed), trials, faces, seed)


def assembled(conditions: Sequence[Stimuli], photos: Photographs, trials: int, faces: int, seed: int) -> Study:
    """The study of these pictures; arguments and errors as of ``make_study``."""
    if faces < 2:
        raise InputError(f"--faces {faces}: a line-up needs at least 2 faces.")
    count, catch = shares(trials, len(conditions))
    people = _people(conditions, photos, count, seed)
    caught = _strangers(photos, people, seed)[:catch]
    if len(caught) < catch:
        raise InputError(f"{catch} catch trials need {catch} people who are in no other line-up; lower --trials.")
    plan = trials_of(people, [one.title for one in conditions], caught, seed)
    lineups = {who: _lineup(photos, plan, people, who, faces, seed) for who in (*people, *caught)}
    return _shown(conditions, photos, plan, lineups, seed, faces)


def _people(conditions: Sequence[Stimuli], photos: Photographs, count: int, seed: int) -> list[str]:
    """Victims of every condition with another photograph, in the order of a hash."""
    able = [who for who in conditions[0].images if who in photos.position]
    able = [who for who in able if all(who in one.images for one in conditions)]
    if len(able) < count:
        raise InputError(
            f"{count} different victims are needed, {len(able)} have a recovery in every chosen cell and another "
            f"photograph; ask for at most {most(len(able))} trials."
        )
    return sorted(able, key=lambda who: _word(seed, "person", who))[:count]


def _strangers(photos: Photographs, people: Sequence[str], seed: int) -> list[str]:
    return sorted({*photos.position} - {*people}, key=lambda who: _word(seed, "catch", who))


def _lineup(
    photos: Photographs, plan: Sequence[Trial], people: Sequence[str], who: str, faces: int, seed: int
) -> Lineup:
    never = foils_of(plan, who)
    others = [i for other, i in photos.position.items() if other not in never]
    free = [i for i in others if photos.pool.identities[i] not in people]
    enough = len(free) >= _ROOM * (faces - 1)
    return lineup(photos.pool, who, photos.position[who], free if enough else others, faces, seed)


def _shown(
    conditions: Sequence[Stimuli], photos: Photographs, plan: Sequence[Trial], lineups: Mapping[str, Lineup],
    seed: int, faces: int,
) -> Study:  # fmt: skip
    pictures: dict[str, bytes] = {}
    shown: dict[str, tuple[str, tuple[str, ...]]] = {}
    told: dict[str, dict[str, Any]] = {}
    forms: list[list[str]] = [[] for _ in range(1 + max(trial.form for trial in plan))]

    def face(i: int) -> str:
        name = _word(seed, "face", photos.pool.samples[i])
        pictures.setdefault(name, _png(photos.images[i]))
        return name

    for trial in plan:
        line = lineups[trial.person]
        name = _word(seed, "trial", trial.kind, trial.person, trial.shown)
        above = _word(seed, "above", name)
        own = trial.kind == CATCH
        pictures[above] = _png(photos.images[line.truth] if own else conditions[trial.condition].images[trial.shown])
        candidates = tuple(face(i) for i in line.candidates)
        shown[name] = (above, candidates)
        told[name] = {
            "kind": trial.kind, "person": trial.person, "shown": trial.shown, "truth": face(line.truth),
            "candidates": list(candidates), "source": conditions[trial.condition].title if not own else "",
        }  # fmt: skip
        for form in range(len(forms)) if trial.form < 0 else (trial.form,):
            forms[form].append(name)
    samples = {face(i): photos.pool.samples[i] for line in lineups.values() for i in line.candidates}
    key = {
        "faces": faces, "seed": seed, "matched_by": photos.matched, "conditions": [one.title for one in conditions],
        "forms": len(forms), "trials_per_form": len(forms[0]), "trials": told, "samples": samples,
    }  # fmt: skip
    return Study(pictures, shown, forms, key)


def _word(*parts: object) -> str:
    """A name that says nothing of what it names."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:12]


def _png(image: Tensor) -> bytes:
    """(3, s, s) in [0, 1] -> PNG: lossless, because artefacts would be cues."""
    pixels = (image.cpu().numpy().transpose(1, 2, 0) * 255).round().astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG", optimize=True)
    return data.getvalue()
