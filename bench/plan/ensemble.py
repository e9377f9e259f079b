"""The standard ensemble: one number per defence, the worst case for each victim over a fixed set of attacks.

AutoAttack (arXiv 2003.01690) does so for adversarial examples: nothing is tuned to a defence, and a sample counts as
lost as soon as one member breaks it. There the adversary sees which member won; here a judge decides whom it never
sees, so each victim's picture is chosen by what it can compute itself:
    y_i = y_im with the m that maximises cos(g(y_im), w_i),
g its own recogniser (the surrogate; without one the attacked recogniser, every picture counted as a query) and w_i its
estimate of who leaked, which ``identity-extraction`` learns on public pairs. A cosine that is no number never wins.
Members that hand back an identity without a picture keep to rows of their own: what is chosen are pictures, so that
the same independent judges score the ensemble and its members.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...attacks.base import Attack
from ..core.context import AttackContext
from ..core.errors import ContractError
from ..core.leaks import Leak
from ..core.recovery import Recovery
from ..core.surfaces import Fidelity
from ..record.words import AUTO_ATTACK, ENSEMBLE

REFEREE = "identity-extraction"
STANDARD = (
    "nbnet", "decoder", "decoder-id", "latent-mapping", "latent-inversion", "pixel-inversion", "surrogate-inversion",
    "zeroth-order", "eigenface-climb", "score-regression", REFEREE, "recovery-unet", "linear-inverse",
    "denoiser-decoder", "linear-ridge",
)  # fmt: skip


class StandardEnsemble(Attack):
    """What stands on the rows of an ensemble.

    Not registered: a plug-in reads one leak through one target and imports nothing of the harness, while an ensemble
    runs other cells of its track through the store that keeps their fits (``execute_ensemble.py``).
    """

    name = ENSEMBLE
    fidelity = Fidelity.SIMPLIFIED
    paper = AUTO_ATTACK

    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        raise ContractError("An ensemble recovers nothing by itself; the harness runs its members.")


@dataclass(frozen=True)
class Candidate:
    """The pictures of one member.

    Args:
        title: of the member.
        place: (n,) int64, which of the L leaks they were made from, each at most once.
        images: (n, 3, s, s) in [0, 1].
    """

    title: str
    place: Tensor
    images: Tensor


def choose(candidates: Sequence[Candidate], wanted: Tensor, embed: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """For each leak the picture that is most like whom the adversary believes to have leaked.

    Args:
        candidates: at least one for each leak; of equally good ones the first wins.
        wanted: (L, D) unit-norm estimates of who leaked.
        embed: (n, 3, s, s) -> (n, D) unit norm, a recogniser that the adversary may ask.

    Returns:
        (L, 3, s, s) pictures and (L,) int64 positions of the candidates that they come from.

    Raises:
        ContractError: a leak that nobody made a picture of.
    """
    best = torch.full((len(wanted),), -torch.inf)
    winner = torch.full((len(wanted),), -1)
    images = wanted.new_zeros(len(wanted), *candidates[0].images.shape[1:])
    for number, one in enumerate(candidates):
        alike = (embed(one.images) * wanted[one.place]).sum(1).nan_to_num(-2.0)  # below every cosine
        better = alike > best[one.place]
        where = one.place[better]
        best[where], images[where], winner[where] = alike[better], one.images[better], number
    if bool((winner < 0).any()):
        raise ContractError(f"No member of the ensemble made a picture of {int((winner < 0).sum())} of the leaks.")
    return images, winner
