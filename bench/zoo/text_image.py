"""The text-image encoder that defences of published pictures share: a small one of the train split, or a CLIP of yours.

The small one is trained once per train split, on the sentences that the data set has about its pictures, and kept; it
knows the words of these sentences and no others. Who has weights of a CLIP gives their path; that needs the package
open_clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.context import MakerContext, Weights, as_kept
from ..core.errors import InputError
from ..core.faces import FaceSet
from ..core.nets.text_image import PAD, UNKNOWN, TextImage
from ..core.seeding import Rng, presentation_ids
from ..core.training import Batch, TrainSettings, train
from ..core.weights import open_weights

_LOST = 0.5  # largest share of a sentence's words that a presentation leaves out


@dataclass(frozen=True)
class TextImageSettings:
    """Which encoder, and the size and the budget of the small one; equal settings share one."""

    text_image: str = ""  # path of a CLIP's weights, for open_clip; empty = the small encoder
    text_image_model: str = "ViT-B-32"  # what open_clip calls the architecture of these weights
    text_dim: int = 64  # of the common space
    text_width: int = 48  # length of a word's vector
    text_steps: int = 400  # optimiser steps
    text_batch: int = 48  # pictures and sentences per step
    text_faces: int = 1500  # pictures whose sentences are asked for
    text_lr: float = 3e-3  # peak learning rate


class OpenClip(nn.Module):
    """A CLIP of the user's behind the interface of the small encoder.

    Args:
        model: of open_clip.
        tokenizer: of the same architecture: sentences -> (n, L) numbers.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__()
        expects = model.visual.preprocess_cfg
        size = expects["size"]
        self.model, self.tokenizer, self.size = model, tokenizer, size if isinstance(size, int) else size[-1]
        self.register_buffer("mean", torch.tensor(expects["mean"])[:, None, None])
        self.register_buffer("std", torch.tensor(expects["std"])[:, None, None])

    def images(self, x: Tensor) -> Tensor:
        """(N, 3, s, s) in [0, 1] -> (N, dim) unit norm."""
        x = F.interpolate(x, (self.size, self.size), mode="bicubic", antialias=True)
        return F.normalize(self.model.encode_image((x - self.mean) / self.std), dim=1)

    def texts(self, sentences: Sequence[str]) -> Tensor:
        """n sentences -> (n, dim) unit norm."""
        return F.normalize(self.model.encode_text(self.tokenizer(list(sentences)).to(self.mean.device)), dim=1)

    def unknown(self, sentence: str) -> list[str]:
        """None: it cuts words into pieces that it knows."""
        return []


TextImageEncoder: TypeAlias = TextImage | OpenClip


def text_image(faces: FaceSet, context: MakerContext, settings: TextImageSettings, purpose: str) -> TextImageEncoder:
    """The encoder that the settings ask for, frozen.

    Args:
        faces: what the small one learns from.
        context: whoever makes it; nothing of the recogniser or of what is attacked is used.
        settings: which, and its budget; a plug-in's own settings may be handed over whole.
        purpose: who needs it, the beginning of messages.

    Raises:
        InputError: the data set has no sentences and no path is given, or the weights or open_clip are missing.
    """
    if settings.text_image:
        return _open_clip(settings, purpose, context.device)
    known = faces.anatomy(torch.zeros(1, dtype=torch.int64))
    if known is None or known.captions is None:
        raise InputError(
            f"{purpose} needs a text-image encoder, and this data set has no sentences to train one on; set text_image "
            "to the path of a CLIP's weights, or use synthetic faces."
        )
    return _small(faces, context, settings)


def _small(faces: FaceSet, context: MakerContext, s: TextImageSettings) -> TextImage:
    spec = {field.name: getattr(s, field.name) for field in fields(TextImageSettings) if field.type != "str"}
    if min(spec.values()) <= 0:
        raise InputError(f"A text-image encoder needs positive sizes, got {spec}.")
    rng = Rng(context.rng.seed, "text-image")
    with rng.child("weights").seeds_torch():
        net = TextImage(s.text_dim, s.text_width).to(context.device)

    def make() -> Weights:
        index = torch.randperm(len(faces), generator=rng.child("faces").torch())[: s.text_faces]
        about = faces.anatomy(index)
        assert about is not None
        numbers = net.numbers(about.captions or ())
        net.seen[numbers.unique()] = True
        net.seen[PAD] = False

        def loss(batch: Batch) -> Tensor:
            ids = presentation_ids(faces.ids[index[batch.index]], batch.presentation)
            # Words are left out, so that a few of them still mean something, and the unknown word means nothing.
            lost = rng.uniform(ids, (numbers.shape[1],)) < _LOST * rng.child("share").uniform(ids)[:, None]
            shown = torch.where(lost & (numbers[batch.index] != PAD), UNKNOWN, numbers[batch.index])
            x = faces.resized(index[batch.index], context.resolution).to(context.device)
            return net.loss(x, shown.to(context.device))

        budget = TrainSettings(s.text_steps, s.text_batch, s.text_lr)
        train(net, loss, len(index), budget, rng=rng, progress=context.progress, title="text-image encoder")
        return net.state_dict()

    as_kept(net, context.keep("text-image encoder", spec, make))
    return net


def _open_clip(s: TextImageSettings, purpose: str, device: torch.device) -> OpenClip:
    try:
        import open_clip
    except ImportError as error:
        raise InputError(
            f"{purpose} reads text_image = {s.text_image} by the package open_clip, which is not installed; "
            "`pip install open_clip_torch`, or leave text_image empty."
        ) from error
    file, _ = open_weights(s.text_image, "", "text_image")
    try:
        model = open_clip.create_model(s.text_image_model, pretrained=str(file), device=device)
        tokenizer = open_clip.get_tokenizer(s.text_image_model)
    except Exception as error:  # open_clip, torch and safetensors: no common base class
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise InputError(
            f"text_image: open_clip cannot read {file} as a {s.text_image_model} ({type(error).__name__}: {reason}); "
            "set text_image_model to the architecture of these weights."
        ) from error
    return OpenClip(model, tokenizer).to(device).eval().requires_grad_(False)  # type: ignore[no-any-return]
