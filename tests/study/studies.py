"""A small study of rendered faces, with blurred ones as what an attack recovered, and respondents who answer it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from faceleak.bench.core.faces import resize
from faceleak.bench.core.registry import DATASETS
from faceleak.bench.study.design import Pool
from faceleak.bench.study.make import Study, assembled
from faceleak.bench.study.page import CONSENT, write_study
from faceleak.bench.study.stimuli import Photographs, Stimuli

PEOPLE, FACES = 40, 6


@functools.cache
def rendered() -> tuple[list[str], torch.Tensor]:
    """(2 P,) names and (2 P, 3, 48, 48) pictures: two of each person."""
    data = DATASETS.get("synthetic")({"size": 48, "identities": [PEOPLE], "images": [2]})
    table = data._index()
    pixels = torch.stack([torch.from_numpy(picture) for picture in data._read(table)]).float() / 255
    return table["identity"].tolist(), pixels


def study(trials: int = 20, titles: tuple[str, ...] = ("blur",), seed: int = 0) -> Study:
    """Each person's first picture is recovered, more blurred by each condition; the second stands in line-ups."""
    names, pixels = rendered()
    people, first, second = names[::2], pixels[::2], pixels[1::2]
    conditions = []
    for strength, title in enumerate(titles, start=1):
        blurred = resize(F.avg_pool2d(first, 4 * strength), 48)
        conditions.append(Stimuli(title, {who: {2 * i} for i, who in enumerate(people)}, dict(zip(people, blurred))))
    alike = -torch.cdist(second.flatten(1), second.flatten(1)).numpy()
    pool = Pool([f"{who}/1" for who in people], people, alike)
    photos = Photographs(pool, second, {who: i for i, who in enumerate(people)}, "pixels")
    return assembled(conditions, photos, trials, FACES, seed)


def written(folder: Path, made: Study, contact: str = "") -> Path:
    return write_study(made, {"track": "made-up"}, folder, CONSENT, contact)


def answered(key: dict[str, Any], respondents: int, knows: Callable[[str], float], seed: int = 0) -> list[str]:
    """CSVs of respondents who see the person with the probability that ``knows`` gives for a kind, and guess else."""
    rng, forms = np.random.default_rng(seed), key["forms"]
    texts = []
    for who in range(respondents):
        form = who % forms
        mine = [name for name, trial in key["trials"].items() if form_of(key, name) in (form, None)]
        lines = ["study,respondent,form,trial,order,choice,position,seconds"]
        for order, name in enumerate(mine, start=1):
            trial = key["trials"][name]
            right = rng.random() < knows(trial["kind"])
            choice = trial["truth"] if right else rng.choice(trial["candidates"])
            lines.append(f"{key['study']},r{who:03d},{form},{name},{order},{choice},1,2.50")
        texts.append("\n".join(lines) + "\n")
    return texts


def form_of(key: dict[str, Any], trial: str) -> int | None:
    """Which form holds a trial; None for all of them."""
    found = [i for i, form in enumerate(key["made"]) if trial in form]
    return found[0] if len(found) == 1 else None
