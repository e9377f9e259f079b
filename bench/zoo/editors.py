"""Attribute editors: the small networks that stand for what others do to a published face.

StarGAN's training (Choi et al., CVPR 2018) on unpaired labels, with least-squares realness (Mao et al., ICCV 2017) in
place of the Wasserstein critic: D says how real a picture looks and which attributes it has, c the wanted attributes,
c' the picture's own, y = M(x, c):
  critic  mean (D(x) - 1)^2 + mean D(y)^2 + BCE(D_cls(x), c')
  editor  mean (D(y) - 1)^2 + lambda_cls BCE(D_cls(y), c) + lambda_rec |M(y, c') - x|
D_cls learns first, alone: at the attributes' rates a small critic would not know them before the run is over. Then both
learn in the same step, with one optimiser. Whoever defends trains theirs on the train split, whoever edits on the
public one, by the same function.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.context import MakerContext, Weights, as_kept
from ..core.errors import InputError
from ..core.faces import FaceSet
from ..core.nets.editor import Critic, Editor, Kind
from ..core.seeding import Rng
from ..core.training import Batch, TrainSettings, train

_CLIP = 20.0  # gradient norm; the way back alone has more than the loop's usual bound


@dataclass(frozen=True)
class EditorSettings:
    """Which attributes are edited, and the size and budget of each editor; equal settings share one."""

    # Large edits that people may not want of their pictures; names of the data set's attributes, of two classes each.
    edited: tuple[str, ...] = ("glasses", "smiling", "black_hair", "blond_hair", "male_like")
    editor_width: int = 16  # channels at full resolution; StarGAN: 64
    editor_blocks: int = 3  # residual blocks; StarGAN: 6
    editor_steps: int = 800  # optimiser steps; StarGAN: 200,000
    editor_batch: int = 8  # pictures per step
    editor_lr: float = 2e-3  # peak, AdamW, one cycle; StarGAN: 1e-4
    editor_cls: float = 3.0  # lambda_cls, weight of the wanted attributes; StarGAN: 1
    editor_rec: float = 5.0  # lambda_rec, weight of the way back, of pixels in [0, 1]; StarGAN: 10, of [-1, 1]
    critic_steps: int = 300  # in which D_cls learns the attributes alone
    critic_batch: int = 32  # pictures per step of these
    critic_lr: float = 4e-3  # peak of these


def attribute_table(faces: FaceSet, names: tuple[str, ...]) -> Tensor:
    """(n, A) float32 of 0 and 1: which of the attributes each picture has.

    Raises:
        InputError: the set knows no attributes, not these, or one of other than two classes.
    """
    known = faces.attributes
    if known is None:
        raise InputError(
            f"Attribute editors learn from labelled faces, and of the {faces.name} split nothing is known; give the "
            "data set a file of labels (settings.labels), or use one that brings its own."
        )
    if not names:
        raise InputError("edited is empty; name at least one attribute that editors change.")
    pairs = [name for name in known.classes if len(known.classes[name]) == 2]
    unknown = [name for name in names if name not in pairs]
    if unknown:
        raise InputError(
            f"Editors should change {', '.join(unknown)}, which the data set does not know as an attribute of two "
            f"classes; set `edited` to some of {', '.join(pairs) or 'none'}."
        )
    return torch.stack([known.labels[name] for name in names], dim=1).float()


def attribute_editor(faces: FaceSet, context: MakerContext, settings: EditorSettings, kind: Kind) -> Editor:
    """An editor that learnt on ``faces``, frozen.

    Args:
        faces: labelled pictures: a defender's train split, an editor's public one.
        context: whoever makes it; its resolution is the side of the pictures that it learns on, a multiple of 16. It
            edits those of any side that 4 divides.
        settings: attributes, size and budget; a plug-in's own settings may be handed over whole.
        kind: how it hands out the picture.

    Raises:
        InputError: the attributes are not known, or the resolution is none of these.
    """
    s, labels, resolution = settings, attribute_table(faces, settings.edited), context.resolution
    if resolution % 16:
        raise InputError(f"Attribute editors learn on pictures of a side that 16 divides, got {resolution}.")
    rng = Rng(context.rng.seed, "editor", kind)
    with rng.child("weights").seeds_torch():
        editor = Editor(kind, len(s.edited), s.editor_width, s.editor_blocks).to(context.device)
        critic = Critic(len(s.edited), s.editor_width).to(context.device)

    def loss(batch: Batch) -> Tensor:
        x, own = faces.resized(batch.index, resolution).to(context.device), labels[batch.index].to(context.device)
        return adversarial_loss(editor, critic, x, own, s)

    def named(batch: Batch) -> Tensor:
        x = faces.resized(batch.index, resolution).to(context.device)
        return F.binary_cross_entropy_with_logits(critic(x)[1], labels[batch.index].to(context.device))

    def make() -> Weights:
        both, n = nn.ModuleList([editor, critic]), len(faces)
        first = TrainSettings(s.critic_steps, s.critic_batch, s.critic_lr)
        train(
            critic, named, n, first, rng=rng.child("critic"), progress=context.progress, title=f"{kind} editor: critic"
        )
        budget = TrainSettings(s.editor_steps, s.editor_batch, s.editor_lr, clip=_CLIP)
        train(both, loss, n, budget, rng=rng, progress=context.progress, title=f"{kind} editor")
        return editor.state_dict()

    spec = {name: getattr(s, name) for name in EditorSettings.__dataclass_fields__}
    assert faces.attributes is not None
    spec |= {"kind": kind, "attributes": faces.attributes.sha}
    as_kept(editor, context.keep("attribute editor", spec, make))
    return editor


def adversarial_loss(editor: Editor, critic: Critic, x: Tensor, own: Tensor, settings: EditorSettings) -> Tensor:
    """Critic's and editor's loss; each picture is to get the attributes of its neighbour in the batch.

    Args:
        editor: gets gradients from its own loss only.
        critic: the same.
        x: (N, 3, H, W) in [0, 1].
        own: (N, A) in {0, 1}, the attributes of ``x``.
        settings: the weights.
    """
    wanted = own.roll(1, 0)
    y = editor(x, wanted)
    real, seen = critic(x)
    fake, _ = critic(y.detach())
    judged = (real - 1).square().mean() + fake.square().mean() + F.binary_cross_entropy_with_logits(seen, own)
    taken, seen = critic.fixed(y)
    fooled = (taken - 1).square().mean() + settings.editor_cls * F.binary_cross_entropy_with_logits(seen, wanted)
    return judged + fooled + settings.editor_rec * (editor(y, own) - x).abs().mean()
