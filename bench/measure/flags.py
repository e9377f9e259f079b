"""Automatic checks in AutoAttack's spirit: what looks broken is marked, not hidden. Texts are in ``flag_docs``.

Flags of one cell are raised while it is scored; those that compare cells are raised when the results are collected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from ..core.faces import FaceSet
from ..metrics.comparisons import exact_sign_flip_p

UNDER_TRAINED = 0.05  # relative drop of the loss over the last tenth of the training
LUCKY = 0.001  # p below which draws of a randomised leak differ; every cell and judge of a board is asked
COLLAPSE = 0.02  # median distance (root mean square, [0, 1]) between recoveries of different victims


def flag(name: str, message: str) -> dict[str, str]:
    """One raised flag."""
    return {"flag": name, "message": message}


def spread_flag(median_distance: float) -> list[dict[str, str]]:
    """F8: all victims get the same picture."""
    if median_distance >= COLLAPSE:
        return []
    return [
        flag("F8", f"Recoveries of different victims differ by {median_distance:.4f} RMS (median), below {COLLAPSE}.")
    ]


def start_flag(kept: float) -> list[dict[str, str]]:
    """F16: what an inversion network learnt made held-out public people worse, so it returned what it began with."""
    if kept > 0:
        return []
    return [flag("F16", "Training made the pictures of held-out public people worse; the attack returned its start.")]


def unfinished_flag(trainings: Mapping[str, tuple[float, float]], least: float) -> list[dict[str, str]]:
    """F17: a network of the defence saw its pictures too few times, or its loss was still falling.

    Args:
        trainings: epochs and how much the loss still fell, by what was trained.
        least: epochs asked for.
    """
    seen = []
    for what, (epochs, falling) in trainings.items():
        if epochs < least:
            seen.append(f"{what} {epochs:.2g} of {least:g} epochs")
        if falling > UNDER_TRAINED:
            seen.append(f"{what} loss still fell by {falling:.1%} over the last tenth")
    return [flag("F17", f"Not trained out: {'; '.join(seen)}.")] if seen else []


def alignment_flag() -> list[dict[str, str]]:
    """F12: pixel metrics on recoveries that do not share the originals' geometry."""
    return [flag("F12", "The recoveries are not aligned to the originals; PSNR, SSIM and LPIPS compare other pixels.")]


def gradient_flag(recognizer: Any, faces: FaceSet) -> list[dict[str, str]]:
    """F4: a white-box attack on a recogniser whose gradient is zero or not finite."""
    x = faces.images(torch.arange(min(2, len(faces)))).to(recognizer.device).requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(recognizer(x)[:, 0].sum(), x)
    if bool(torch.isfinite(gradient).all()) and bool((gradient.flatten(1).abs().amax(1) > 0).all()):
        return []
    return [dead_gradient()]


def dead_gradient() -> dict[str, str]:
    """F4, where a gradient is known to be dead."""
    return flag("F4", "The recogniser's gradient with respect to the picture is zero or not finite.")


def answer_flag(measured: float, reported: float | None, slack: float = 0.003) -> list[dict[str, str]]:
    """F10: a recogniser does not reach the accuracy it is known for, so it is loaded or fed wrongly."""
    if reported is None or abs(measured - reported) <= slack:
        return []
    return [flag("F10", f"Ten-fold accuracy {measured:.4f}, reported {reported:.4f}: preprocessing or weights differ.")]


def unreadable_flag(count: int) -> list[dict[str, str]]:
    """F11: images that could not be read or aligned were left out."""
    return [flag("F11", f"{count} images could not be read and were skipped.")] if count else []


def draws_flag(randomised: bool, draws: int) -> list[dict[str, str]]:
    """F3: a randomised leak judged on one draw, which says nothing about other draws."""
    if not randomised or draws > 1:
        return []
    return [flag("F3", "The leak is randomised but was judged on a single draw.")]


def lucky_draw_flag(rates: np.ndarray, judge: str) -> list[dict[str, str]]:
    """F3: some draw of a randomised leak gives another success rate than the rest, by more than chance.

    Args:
        rates: (D, I) of each draw and victim; NaN where a victim has no such draw.
        judge: whose.
    """
    kept = rates[:, np.isfinite(rates).all(axis=0)]
    if len(kept) < 2 or not kept.shape[1]:
        return []
    tried = range(len(kept) if len(kept) > 2 else 1)  # of two draws each is the other's rest
    pairs = [(kept[one], np.delete(kept, one, axis=0).mean(axis=0)) for one in tried]
    p = [exact_sign_flip_p(*pair) for pair in pairs]
    worst = int(np.argmin(p))
    if p[worst] * len(p) >= LUCKY:
        return []
    own, rest = (float(side.mean()) for side in pairs[worst])
    return [flag("F3", f"Draw {worst + 1} of {len(kept)} gives {own:.3f}, the others {rest:.3f} by {judge}: more than "
                 "chance, so that more draws are needed.")]  # fmt: skip


def twice_flag(count: int) -> list[dict[str, str]]:
    """F9: pictures that leaked stand among those they are compared with."""
    if not count:
        return []
    return [flag("F9", f"{count} of the photographs that leaked stand among the victims' others under another name.")]


def keyless_flag(rates: np.ndarray, others: np.ndarray, judge: str) -> list[dict[str, str]]:
    """F18: people are found in a keyed template without its key, by more than chance.

    Args:
        rates: (I,) how often each person comes first by their own recoveries.
        others: (I,) how often by all other people's.
        judge: whose.
    """
    own, chance = float(rates.mean()), float(others.mean())
    if own <= chance or (p := exact_sign_flip_p(rates, others)) >= LUCKY:
        return []
    return [flag("F18", f"Without its key the template says nothing of whose it is, yet {own:.3f} of the victims come "
                 f"first by {judge}, {chance:.3f} by others' recoveries (p {p:.1g}).")]  # fmt: skip


def threshold_flags(warned: Iterable[tuple[str, float, int]]) -> list[dict[str, str]]:
    """F6: a threshold rests on false accepts of fewer than 30 pairs of people; (judge, fmr, pairs of people)."""
    return [
        flag("F6", f"The threshold of {judge} at FMR {fmr:g} rests on false accepts of {count} pairs of people.")
        for judge, fmr, count in warned
    ]


def isolation_flag(isolated: bool, apart: bool = True) -> list[dict[str, str]]:
    """F19: the attack ran, or the defence learnt, beside the harness, within reach of what is not granted."""
    told = {"The attack ran": isolated, "The defense learnt": apart}
    return [
        flag("F19", f"{who} in the harness's process, within reach of everything.") for who in told if not told[who]
    ]


def judge_flag(judges: Iterable[str], attacked: str) -> list[dict[str, str]]:
    """F5: only the attacked recogniser judged."""
    return [] if set(judges) - {attacked} else [flag("F5", f"Only the attacked recogniser {attacked} judged this row.")]


def utility_flag(loss: float, bound: float) -> list[dict[str, str]]:
    """F7: privacy by breaking recognition; of a system that was trained out, else it is F17."""
    if loss <= bound:
        return []
    return [flag("F7", f"The defended system loses {loss:.1%} of accuracy, more than {bound:.0%}.")]
