"""Two towers that put a picture and a sentence about it close together (CLIP, Radford et al., ICML 2021), small.

Pictures: a residual network. Sentences: words, three at a time, averaged, so that a part of a sentence means about what
it means in the whole. There is no vocabulary: a word is known by its hash, and a mark says which ones were seen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..seeding import stable_hash
from .resnet import SMALL, ResNet

PAD, UNKNOWN, _FIRST = 0, 1, 2  # numbers of words; those that were seen come after


class TextImage(nn.Module):
    """(N, 3, s, s) pictures and sentences -> unit vectors of one space.

    Args:
        dim: of the space.
        width: length of a word's vector.
        words: how many hashes are told apart.
    """

    seen: Tensor

    def __init__(self, dim: int, width: int, words: int = 4096) -> None:
        super().__init__()
        self.picture = ResNet(dim=dim, widths=SMALL)
        self.word = nn.Embedding(_FIRST + words, width, padding_idx=PAD)
        self.phrase = nn.Conv1d(width, 2 * width, 3, padding=1)
        self.meaning = nn.Linear(2 * width, dim)
        self.scale = nn.Parameter(torch.tensor(2.0))  # log of the inverse temperature
        self.register_buffer("seen", torch.zeros(_FIRST + words, dtype=torch.bool))

    def images(self, x: Tensor) -> Tensor:
        """(N, 3, s, s) in [0, 1] -> (N, dim) unit norm."""
        return F.normalize(self.picture(2 * x - 1), dim=1)

    def texts(self, sentences: Sequence[str]) -> Tensor:
        """n sentences -> (n, dim) unit norm; words that were never seen count as one unknown word."""
        numbers = self.numbers(sentences).to(self.seen.device)
        return self.read(torch.where((numbers == PAD) | self.seen[numbers], numbers, UNKNOWN))

    def read(self, numbers: Tensor) -> Tensor:
        """(n, L) numbers of words, ``PAD`` at the end -> (n, dim) unit norm."""
        there = (numbers != PAD)[:, None].float()  # (n, 1, L)
        x = self.phrase(self.word(numbers).transpose(1, 2)).relu() * there
        return F.normalize(self.meaning(x.sum(2) / there.sum(2).clamp(min=1)), dim=1)

    def numbers(self, sentences: Sequence[str]) -> Tensor:
        """(n, L) int64, a number for each word, ``PAD`` behind the end."""
        rows = [torch.tensor([self._number(word) for word in words_of(one)] or [UNKNOWN]) for one in sentences]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)

    def unknown(self, sentence: str) -> list[str]:
        """The words of ``sentence`` that were never seen."""
        return [word for word in words_of(sentence) if not bool(self.seen[self._number(word)])]

    def loss(self, x: Tensor, numbers: Tensor) -> Tensor:
        """Scalar: symmetric InfoNCE of (B, 3, s, s) pictures and (B, L) words of their sentences."""
        scores = self.scale.clamp(max=4.6).exp() * self.images(x) @ self.read(numbers).T
        own = torch.arange(len(x), device=x.device)
        return (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2

    def _number(self, word: str) -> int:
        return _FIRST + stable_hash(word) % (self.word.num_embeddings - _FIRST)


def words_of(sentence: str) -> list[str]:
    """Lower-case words without punctuation.

    >>> words_of("An old man, wearing a hat.")
    ['an', 'old', 'man', 'wearing', 'a', 'hat']
    """
    return re.findall(r"[^\W_]+", sentence.lower())
