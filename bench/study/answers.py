"""What respondents have sent, held against the key: every line of it is one of the study's, or is named."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import InputError

KEY = "lineup-key.json"
COLUMNS = ("study", "respondent", "form", "trial", "order", "choice", "position", "seconds")


def read_key(file: Path) -> dict[str, Any]:
    """The key of a study, from the file or from its folder.

    Raises:
        InputError: no key.
    """
    file = file / KEY if file.is_dir() else file
    try:
        key = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{file} does not exist; give the {KEY} that `faceleak lineup` wrote beside the page."
        ) from None
    except ValueError as error:
        raise InputError(f"{file} cannot be read ({error}); give the {KEY} that `faceleak lineup` wrote.") from error
    if not isinstance(key, dict) or not {"study", "faces", "trials", "conditions", "forms"} <= set(key):
        raise InputError(f"{file} is no key of a line-up study; give the {KEY} that `faceleak lineup` wrote.")
    return key


def read_answers(files: Sequence[Path], key: dict[str, Any]) -> pd.DataFrame:
    """One row per answer, with the trial's ``kind``, ``person`` and whether the choice was ``correct``.

    Args:
        files: CSV files, or folders of them.
        key: as ``read_key`` gives it.

    Raises:
        InputError: a file that is no answers of this study, one answer twice, or nothing at all.
    """
    found = [_read(file, key) for file in _files(files)]
    answers = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(COLUMNS))
    if answers.empty:
        raise InputError(f"There are no answers in {', '.join(map(str, files))}; give the CSV files of respondents.")
    copies = answers.drop(columns="file").duplicated()  # one file handed in twice
    answers = answers[~copies].reset_index(drop=True)
    twice = answers[answers.duplicated(["respondent", "trial"])]
    if len(twice):
        row = twice.iloc[0]
        raise InputError(
            f"{row['file']}: respondent {row['respondent']} answers trial {row['trial']} a second time and otherwise; "
            "leave one of the two files out."
        )
    trials = key["trials"]
    for name in ("kind", "person"):
        answers[name] = [trials[trial][name] for trial in answers["trial"]]
    answers["correct"] = [
        trials[trial]["truth"] == choice for trial, choice in zip(answers["trial"], answers["choice"])
    ]
    return answers


def _files(places: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise InputError(f"{place} does not exist; give CSV files of answers, or a folder of them.")
        found += sorted(place.glob("*.csv")) if place.is_dir() else [place]
    return found


def _read(file: Path, key: dict[str, Any]) -> pd.DataFrame:
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is no CSV of answers ({error}); leave it out.") from error
    if missing := [name for name in COLUMNS if name not in table]:
        raise InputError(f"{file} has no column {missing[0]!r}; it is not what the page saved, leave it out.")
    table = table[list(COLUMNS)]
    foreign = table[table["study"] != key["study"]]
    if len(foreign):
        raise InputError(
            f"{file} answers study {foreign['study'].iloc[0]!r}, the key is that of {key['study']!r}; "
            "score each study with its own key."
        )
    for row in table.to_dict("records"):
        trial = key["trials"].get(row["trial"])
        if trial is None:
            raise InputError(f"{file}: the study has no trial {row['trial']!r}; the file was changed, leave it out.")
        if row["choice"] not in trial["candidates"]:
            raise InputError(f"{file}: {row['choice']!r} stands in no line-up of trial {row['trial']}; leave it out.")
    seconds = pd.to_numeric(table["seconds"], errors="coerce")
    return table.assign(seconds=seconds, file=str(file))
