"""A made-up but structurally complete run folder. Every number is invented; the pictures are smooth colours."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faceleak.bench.record.results import Row, write_results
from safetensors.numpy import save_file

FLOORS = ("grey", "mean-face", "random-public-face", "nearest-public-face")
CEILINGS = ("same-photo", "other-photo")
ATTACKS = (
    "nbnet", "decoder", "linear-inverse", "latent-search", "zeroth-order", "id-diffusion", "map2v", "gafar",
    "arc2face", "facelinkgen", "dscasc", "bob-inverse", "pixel-descent", "score-walk", "unet", "vec2face",
    "stylegan-map", "rob-inv",
)  # fmt: skip
DEFENSES = (
    "none", "gaussian-noise", "biohash", "advface", "slerpface", "minusface", "partialface", "duetface", "polyprotect",
    "quantise-8", "random-projection", "low-rank", "dp-image", "mlp-hash",
)  # fmt: skip
_STRENGTH = {"same-photo": 0.99, "other-photo": 0.93, "grey": 0.0, "mean-face": 0.01, "random-public-face": 0.012}


@dataclass(frozen=True)
class Shape:
    """How big the made-up run is."""

    n_defenses: int = 3
    n_attacks: int = 3
    seeds: tuple[int, ...] = (0, 1)
    surfaces: tuple[str, ...] = ("template", "wire")
    pictures: bool = True
    victims: int = 4
    scores: bool = False  # what a run from before cells kept them has not


def base_row(**fields: Any) -> Row:
    """A row with the columns that every row has."""
    row: Row = {
        "run_id": "r1", "recognizer": "toy-a", "dataset": "made-up", "split": "victims", "seed": 0, "status": "ok",
        "fidelity": "faithful", "flags": "", "surface": "", "attack": "", "knowledge": "", "judge": "", "metric": "",
        "cell": "c", "defense": "none", "protocol": "p1",
    }  # fmt: skip
    return row | fields


def build_run(folder: Path, shape: Shape | None = None, *, failures: bool = True) -> Path:
    """Write a complete run folder and return it."""
    shape = shape or Shape()
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for index, defense in enumerate(DEFENSES[: shape.n_defenses]):
        rows += utility_rows(defense, index, shape)
        if shape.scores:
            utility_cell(folder / "cells" / f"u-{defense}", defense, index)
        for surface in shape.surfaces:
            for attack in (*CEILINGS, *ATTACKS[: shape.n_attacks], *FLOORS):
                rows += _cells(folder, shape, index, surface, attack)
    if failures:
        rows += _broken(folder)
    write_results(rows, folder / "results.csv")
    write_json(folder)
    return folder


def write_json(folder: Path) -> None:
    """run.json, env.json and manifest.json."""
    protocol = {"fmrs": [0.1, 0.01, 0.001], "headline_fmr": 0.01}
    run = {
        "track": "made-up", "title": "Made-up faces, toy recognisers", "command": "faceleak run made-up --seeds 2",
        "protocol": protocol, "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T01:00:00Z", "cells": 40,
        "state": "finished",
    }  # fmt: skip
    env = {"code_sha": "0123abc", "dirty": True, "torch": "2.14.1", "python": "3.12.1", "device": "cpu", "cpu": "toy"}
    manifest = {
        "datasets": {
            "made-up": {
                "images": 400,
                "identities": 40,
                "sha256": "ab" * 32,
                "licence": "none",
                "splits": {"victims": 10},
            }
        },
        "recognizers": {
            "toy-a": {"family": "convnet", "sha256": "cd" * 32, "licence": "Apache-2.0", "dim": 128},
            "toy-b": {"family": "mlp", "sha256": "ef" * 32, "licence": "Apache-2.0", "dim": 64},
        },
        "defenses": {
            "none": {"protects": "template", "goal": "block-inversion", "secrets": []},
            "gaussian-noise": {"protects": "template", "goal": "anonymize", "secrets": []},
            "biohash": {"protects": "template", "goal": "block-inversion", "secrets": ["deployment"]},
            "advface": {"protects": "template", "goal": "block-inversion", "secrets": ["deployment", "sample"]},
        },
        "absent": {"lpips": "the perceptual network's weights are not on this machine"},
        "caveats": ["These numbers are invented & <not> to be quoted."],
    }
    for name, part in (("run", run), ("env", env), ("manifest", manifest)):
        (folder / f"{name}.json").write_text(json.dumps(part))


def utility_rows(defense: str, index: int, shape: Shape) -> list[Row]:
    """Accuracy, TAR, cost and, for keyed defences, linkability."""
    rng = np.random.default_rng(index)
    rows = []
    accuracy = 0.97 - (0.0 if index == 0 else 0.004 * index * rng.uniform(0.5, 1.5))
    values = {
        "accuracy": accuracy,
        "accuracy_undefended_difference": accuracy - 0.97,
        "eer": 1 - accuracy,
        "protect_ms": 0.3 * index,
    }
    if index % 3 == 2:
        values |= {"d_sys": 0.31, "d_sys_null": 0.08, "max_linkability": 0.2, "max_linkability_null": 0.1}
    common = {"defense": defense, "cell": f"u-{defense}", "flags": "F7" if accuracy < 0.94 else ""}
    for seed in shape.seeds:
        for metric, value in values.items():
            rows.append(
                base_row(**common, seed=seed, metric=metric, value=value, ci_lo=value - 0.006, ci_hi=value + 0.006)
            )
        for fmr in (0.1, 0.01, 0.001):
            tar = 0.9 - 0.03 * index - (0.1 - fmr) * 0.2
            rows.append(
                base_row(
                    **common,
                    seed=seed,
                    metric="tar",
                    fmr=fmr,
                    value=tar,
                    ci_lo=tar - 0.02,
                    ci_hi=tar + 0.02,
                    threshold=0.3,
                )
            )
        for surface in shape.surfaces:
            rows.append(base_row(**common, seed=seed, metric="leak_bytes", surface=surface, value=512.0 * (1 + index)))
    return rows


def utility_cell(path: Path, defense: str, index: int) -> None:
    """state.json and the scores of the defended system; every defence moves the genuine pairs nearer to the others."""
    path.mkdir(parents=True)
    definition = {"defense": defense, "surface": "", "attack": "", "knowledge": "", "seed": 0}
    definition |= {"dataset": "made-up", "recognizer": "toy-a"}
    (path / "state.json").write_text(json.dumps({"status": "ok", "cell": definition, "error": None, "command": ""}))
    rng = np.random.default_rng(index)
    genuine = rng.normal(0.6 - 0.1 * index, 0.12, 300).astype(np.float32)
    np.savez(path / "measure-verification.npz", genuine=genuine, impostor=rng.normal(0, 0.12, 3000).astype(np.float32))


def _cells(folder: Path, shape: Shape, index: int, surface: str, attack: str) -> list[Row]:
    baseline = attack in FLOORS or attack in CEILINGS
    rows = []
    for knowledge in ("K0",) if baseline or index == 0 else ("K0", "K1"):
        for seed in shape.seeds:
            rows += one_cell(folder, shape, index, surface, attack, knowledge, seed)
    return rows


def strength(index: int, surface: str, attack: str, knowledge: str) -> float:
    """The invented SAR-II of an attack."""
    if attack in _STRENGTH:
        return _STRENGTH[attack]
    if attack == "nearest-public-face":
        return 0.2 / (1 + index)
    rank = ATTACKS.index(attack)
    plain = 0.85 * 0.86**rank
    weaker = plain * (1 if index == 0 else 0.75 ** (index % 5 + 1))
    return weaker * (0.5 if knowledge == "K0" and index else 1.0) * (0.8 if surface == "wire" else 1.0)


def one_cell(folder: Path, shape: Shape, index: int, surface: str, attack: str, knowledge: str, seed: int) -> list[Row]:
    """All rows and files of one attack cell."""
    defense = DEFENSES[index]
    name = f"{attack}-{defense}-{surface}-{knowledge}-{seed}"
    level = strength(index, surface, attack, knowledge) + 0.01 * seed * (attack in ATTACKS)
    baseline = attack in FLOORS or attack in CEILINGS
    who = {
        "cell": name, "defense": defense, "surface": surface, "attack": attack, "knowledge": knowledge, "seed": seed,
        "fidelity": "baseline" if baseline else "faithful", "flags": "F1,F15" if attack == "zeroth-order" else "",
        "train_s": None if baseline else 31.25, "invert_s": 0.5, "n_queries": 0 if baseline else 1000, "params": None,
    }  # fmt: skip
    rows = [
        base_row(**who, metric="psnr", value=9 + 8 * level),
        base_row(**who, metric="ssim", value=0.2 + 0.4 * level),
    ]
    rows.append(base_row(**who, metric="lpips", status="absent"))
    for judge, factor in (("toy-a", 1.05), ("toy-b", 1.0)):
        value = min(level * factor, 1.0)
        for fmr in (0.1, 0.01, 0.001):
            for metric, lift in (("sar_type1", 1.2), ("sar_type2", 1.0)):
                rows.append(
                    base_row(
                        **who, judge=judge, metric=metric, fmr=fmr, **_around(min(value * lift * fmr**0.05 * 1.25, 1.0))
                    )
                )
        rows.append(base_row(**who, judge=judge, metric="sar_type2", fmr=0.01, split="calibration", **_around(value)))
        rows.append(base_row(**who, judge=judge, metric="rank1", **_around(value * 0.8)))
        rows.append(base_row(**who, judge=judge, metric="rank1_chance", value=0.02))
        rows.append(base_row(**who, judge=judge, metric="rank1_shuffled", value=0.016))
        ratio = {"value": value * 50, "ci_lo": value * 40, "ci_hi": math.inf if defense == "none" else value * 60}
        rows.append(base_row(**who, judge=judge, metric="risk_ratio", **ratio))
        rows.append(base_row(**who, judge=judge, metric="rank1_mean_face", value=0.02))
        rows.append(base_row(**who, judge=judge, metric="cosine", value=value * 0.7))
    cell_files(folder / "cells" / name, shape, who, level, baseline=baseline)
    return rows


def _around(value: float) -> dict[str, float]:
    return {"value": value, "ci_lo": max(value - 0.05, 0.0), "ci_hi": min(value + 0.05, 1.0), "n": 40}


def cell_files(path: Path, shape: Shape, who: dict[str, Any], level: float, *, baseline: bool) -> None:
    """state.json, loss.csv and pictures.safetensors of one cell."""
    path.mkdir(parents=True, exist_ok=True)
    definition = {key: who[key] for key in ("defense", "surface", "attack", "knowledge", "seed")}
    definition |= {"dataset": "made-up", "recognizer": "toy-a"}
    state = {"status": "ok", "cell": definition, "error": None, "command": f"faceleak run made-up --only {path.name}"}
    state["flags"] = [{"flag": "F15", "message": "loss still falling"}] if who["attack"] == "zeroth-order" else []
    (path / "state.json").write_text(json.dumps(state))
    if not baseline:
        steps = np.arange(0, 400, 20)
        losses = 0.2 + np.exp(-steps / (60 + 300 * level))
        (path / "loss.csv").write_text("step,loss\n" + "".join(f"{s},{v:.5f}\n" for s, v in zip(steps, losses)))
    if shape.pictures and who["seed"] == shape.seeds[0]:
        original = smooth(shape.victims, 1)
        noise = smooth(shape.victims, len(path.name)).astype(float)
        recovered = (level * original + (1 - level) * noise).astype(np.uint8)
        parts = {"original": original, "recovered": recovered, "cosine": np.full(shape.victims, level, np.float32)}
        if who["surface"] == "wire":
            parts["leak"] = 255 - original
        save_file(parts, path / "pictures.safetensors")


def smooth(count: int, seed: int, size: int = 32) -> np.ndarray:
    """(count, 3, size, size) uint8: random smooth colours."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(0, 3, size)
    phase = rng.uniform(0, 6, (count, 3, 2))
    wave = np.sin(grid[None, None, :, None] + phase[..., :1, None]) * np.cos(
        grid[None, None, None, :] + phase[..., 1:, None]
    )
    return ((wave + 1) * 127).astype(np.uint8)


def _broken(folder: Path) -> list[Row]:
    """One failed, one refused and one not-applicable cell."""
    rows = []
    for attack, status, error in (
        ("broken-attack", "failed", {"class": "RuntimeError", "message": "loss became <NaN> at step 12"}),
        ("refused-attack", "refused", {"class": "ThreatModelError", "message": "needs white-box access"}),
        ("shape-attack", "not-applicable", {"class": "NotApplicable", "message": "the leak has another shape"}),
    ):
        name = f"{attack}-cell"
        who = {"defense": "none", "surface": "template", "attack": attack, "knowledge": "K0", "seed": 0}
        rows.append(base_row(**who, cell=name, metric="cell", status=status, value=None))
        (folder / "cells" / name).mkdir(parents=True)
        definition = who | {"dataset": "made-up", "recognizer": "toy-a"}
        state = {"status": status, "cell": definition, "error": error, "command": f"faceleak run made-up --only {name}"}
        (folder / "cells" / name / "state.json").write_text(json.dumps(state))
    return rows


def build_failed_run(folder: Path) -> Path:
    """A run in which nothing worked."""
    folder.mkdir(parents=True, exist_ok=True)
    write_results(_broken(folder), folder / "results.csv")
    write_json(folder)
    return folder


def build_empty_run(folder: Path) -> Path:
    """A run that has just started: no rows, no cells."""
    folder.mkdir(parents=True, exist_ok=True)
    write_results([], folder / "results.csv")
    (folder / "run.json").write_text(json.dumps({"track": "made-up", "state": "running"}))
    return folder
