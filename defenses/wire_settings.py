"""Settings that all wire defences share: the client's picture, and the server's recogniser.

How the server begins decides the result and is a setting, because it also changes the claim (a server that starts from
a recogniser of plain faces has seen plain faces):
  scratch          the network of ``server``, margin softmax on the train identities, as the papers do on millions of
                   pictures;
  warm             the same with the recogniser's own weights in all but the first convolution, where it is such a
                   network;
  clean_finetune   a copy of the system's recogniser behind one 3x3 convolution, margin softmax;
  distill          the same copy (the network of ``server``, from scratch, where that is not small or the recogniser
                   is forward only), 1 - cos to what the recogniser says of the plain picture. It converges about ten
                   times faster, and its embeddings live in the recogniser's own space.
How it reads what travels is ``front``: by one 3x3 convolution, which learns with the recogniser, or by the closed-form
inverse of what the client does, where that is linear (``nets/inverse.py``; ours: what travels tells the picture, and a
server need not learn it). It changes nothing of what travels.
``server`` and ``recipe`` are what a CPU bears by default; the papers' are ir50 (ir18 in ablations) and tface.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..bench.core.errors import InputError
from ..bench.core.nets.servers import ServerName

Init = Literal["scratch", "warm", "clean_finetune", "distill"]


@dataclass(frozen=True)
class WireSettings:
    """The client's picture and the server's recogniser; every wire defence has these."""

    recognizer_init: Init = "distill"  # how the server's recogniser begins, see above
    server: ServerName = "small"  # its network; papers: ir50, 43.6 M parameters, where small has 0.4 M
    front: Literal["convolution", "inverse"] = "convolution"  # before a copied recogniser, see above
    # adamw: one cycle, the margin ramped up; tface: SGD, the rate a tenth at 10, 18 and 22 of 24 epochs, one warm-up,
    # the whole margin from the start, as in the papers.
    recipe: Literal["adamw", "tface"] = "adamw"
    side: int = 64  # pixels per side of what the client transforms; papers: 112
    server_steps: int = 400  # optimiser steps; papers: 24 epochs of 5.8 M pictures
    server_batch: int = 48  # pictures per step
    server_lr: float = 1e-3  # peak; papers: 0.1 (recipe tface)
    weight_decay: float = 5e-4  # as in TFace
    scale: float = 24.0  # s of the margin softmax; papers: 64, which needs many identities
    margin: float = 0.3  # m, radians (ArcFace); papers: 0.5
    pool: int = 0  # wires made of each train picture, once, that the server learns from; 0 = anew at every step


def check_settings(s: WireSettings, name: str, *, invertible: bool) -> None:
    """Whether they go together.

    Args:
        s: settings of the defence.
        name: the defence's, for the message.
        invertible: whether what it sends has an inverse in closed form.

    Raises:
        InputError: they do not.
    """
    if s.side < 16 or s.side % 16:
        raise InputError(f"{name}: side must be a multiple of 16, got {s.side}.")
    if s.front == "inverse" and not invertible:
        raise InputError(f"{name}: what it sends has no inverse in closed form; leave front out.")
    if s.front == "inverse" and (s.server != "small" or s.recognizer_init not in ("distill", "clean_finetune")):
        raise InputError(
            f"{name}: with front = 'inverse' the server is a copy of the recogniser: leave server out and let "
            f"recognizer_init be 'distill' or 'clean_finetune', got {s.server!r} and {s.recognizer_init!r}."
        )
    if s.recognizer_init == "clean_finetune" and s.server != "small":
        raise InputError(
            f"{name}: with recognizer_init = 'clean_finetune' the server is a copy of the recogniser, so "
            f"server = {s.server!r} would not be used; leave it out, or use 'scratch' or 'distill'."
        )
