"""The handle an attack gets: it meters every query and refuses what the threat model does not grant."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .disclosed import strip_disclosed
from .errors import BudgetError, InputError, NoGradientError, NotApplicable, ThreatModelError
from .faces import FaceSet
from .leaks import Leak, leak_cat, leak_part, leak_take
from .secrets import SecretDraw, SecretSource
from .seeding import Rng
from .surfaces import Surface
from .threat import DefenseKnowledge, RecognizerAccess, ThreatModel

Embeddings = Callable[[Any, FaceSet, SecretSource], Tensor]
Published = Callable[[FaceSet, Tensor, SecretSource], Tensor]


class Target:
    """An attacked system under one threat model.

    Args:
        system: the deployed defence (it holds its recogniser).
        undefended: the same recogniser without a defence: what an oblivious adversary trains on.
        surface: where the leak is.
        threat: what is granted.
        installation: the deployed secrets.
        seed: of the run.
        public: the adversary's images.
        embeddings: cached embeddings of a face set under a pipeline.
        enrolled: (V, ...) templates of the victims, for score queries; ``enrol`` changes them.
        published: pictures that a slow system publishes, made once: (faces, positions, secrets) -> images.
        own: seed of the adversary's own secrets where it is not ``seed``.
    """

    def __init__(
        self,
        system: Any,
        undefended: Any,
        surface: Surface,
        threat: ThreatModel,
        installation: SecretSource,
        seed: int,
        public: FaceSet,
        embeddings: Embeddings,
        enrolled: Leak | None = None,
        published: Published | None = None,
        own: int | None = None,
    ) -> None:
        self.surface, self.threat = surface, threat
        self.n_queries = 0  # embeddings and scores asked for
        self._asked_public = False
        self._seen: set[int | bytes] = set()
        self._per_victim: dict[int, int] = {}
        self._public, self._embeddings, self._enrolled = public, embeddings, enrolled
        self._published = published
        self._made: Tensor | None = None
        oblivious = threat.defense is DefenseKnowledge.K0
        self._pipeline = undefended if oblivious else system
        self._system, self._undefended = system, undefended
        self._seed = seed
        self._secrets = installation.adversary(
            seed if own is None else own, own_key=threat.defense is DefenseKnowledge.K2
        )
        self._installation = installation

    @property
    def n_pairs(self) -> int:
        """Distinct images whose leak the adversary has made."""
        return len(self._seen)

    @property
    def queries_per_victim(self) -> int:
        """The most questions asked about one victim since ``enrol``."""
        return max(self._per_victim.values(), default=0)

    @property
    def pair_budget(self) -> int:
        """How many of the public images may be leaked."""
        return len(self._public) if self.threat.pairs is None else min(self.threat.pairs, len(self._public))

    def enrol(self, templates: Leak | None) -> None:
        """From here on victim i is whom ``templates`` holds at position i; nobody was asked about yet."""
        self._enrolled = templates
        self._per_victim.clear()

    def cut(self, leak: Leak) -> Leak:
        """The part of a leak that got out (``threat.part``): of all templates the same coordinates."""
        return leak_part(leak, self.threat.part, Rng(self._seed, "partial leak"))

    def forget_counts(self) -> None:
        """Start the meter anew: the harness does so after a fit whose cost it has written down."""
        self.n_queries, self._asked_public, self._seen = 0, False, set()

    def meter(self) -> dict[str, Tensor]:
        """What has been counted so far, for a fit that may be killed; ``set_meter`` takes it back."""
        shown = b"".join(sorted(one for one in self._seen if isinstance(one, bytes)))
        return {
            "counts": torch.tensor([self.n_queries, int(self._asked_public)]),
            "ids": torch.tensor(sorted(one for one in self._seen if isinstance(one, int)), dtype=torch.int64),
            "shown": torch.frombuffer(bytearray(shown), dtype=torch.uint8) if shown else torch.empty(0).byte(),
            "victims": torch.tensor(sorted(self._per_victim.items()), dtype=torch.int64).reshape(-1, 2),
        }

    def set_meter(self, state: Mapping[str, Tensor]) -> None:
        """Count on from what ``meter`` gave."""
        queries, asked = state["counts"].tolist()
        self.n_queries, self._asked_public = int(queries), bool(asked)
        shown, size = state["shown"].numpy().tobytes(), hashlib.sha256().digest_size
        self._seen = {*state["ids"].tolist(), *(shown[i : i + size] for i in range(0, len(shown), size))}
        self._per_victim = {int(victim): int(count) for victim, count in state["victims"].tolist()}

    @torch.no_grad()
    def leak(self, images: Tensor, ids: Tensor, presentation: int = 0) -> Leak:
        """What ``images`` (N, 3, H, W) would leak, under the adversary's knowledge of the defence.

        Args:
            images: the adversary's own images.
            ids: (N,) int64 sample ids for sample secrets; pairs are counted by their pictures.
            presentation: sample secrets are drawn afresh for each.

        Raises:
            BudgetError: more distinct images than the threat model's ``pairs``.
            ThreatModelError: templates without black-box access.
        """
        self._need_templates()
        # By content: whoever named all its pictures alike would have as many pairs as it likes.
        shown = images.detach().cpu().contiguous()
        self._count_pairs([hashlib.sha256(one.numpy().tobytes()).digest() for one in shown])
        return self._leak(images, ids, presentation)

    def _leak(self, images: Tensor, ids: Tensor, presentation: int) -> Leak:
        draw = self._secrets.draw(ids, presentation)
        return self.cut(self._bare(self._pipeline.leak(images, self.surface, draw), draw))

    def _bare(self, leak: Leak, draw: SecretDraw) -> Leak:
        """Without the persons' keys, where these are disclosed with the leak."""
        return strip_disclosed(self._pipeline, self.surface, self.threat.defense, leak, draw)

    @torch.no_grad()
    def pairs(self, index: Tensor, presentation: int = 0) -> Leak:
        """The leaks of the public images at ``index``: ``leak``, but embeddings are computed once for all attacks."""
        ids = self._public.ids[index]
        if self.surface is Surface.TEMPLATE and self._pipeline.embedding_fixed:
            self._need_templates()
            self._count_pairs(ids.tolist())
            z = self._embeddings(self._pipeline, self._public, self._secrets)[index]
            z = z.to(self._pipeline.recognizer.device)
            draw = self._secrets.draw(ids, presentation, self._public.people[index])
            return self.cut(self._bare(self._pipeline.enroll_checked(z, draw), draw))
        if self.surface is Surface.IMAGE and self._published is not None and self._pipeline.slow:
            self._count_pairs(ids.tolist())
            return self._once(self._published)[index]
        self._need_templates()
        self._count_pairs(ids.tolist())
        return self._leak(self._public.images(index), ids, presentation)

    def _once(self, published: Published) -> Tensor:
        """All pictures within the budget as the adversary publishes them, in one presentation."""
        if self._made is None:
            self._made = published(self._public, torch.arange(self.pair_budget), self._secrets)
        return self._made

    def all_pairs(self, limit: int | None = None) -> Leak:
        """The leaks of the first ``limit`` public images within the budget, one presentation."""
        count = min(self.pair_budget, limit or len(self._public))
        return leak_cat([self.pairs(part) for part in torch.arange(count).split(512)])

    @torch.no_grad()
    def query(self, images: Tensor, victims: Tensor) -> Leak:
        """What candidate pictures (N, 3, H, W) for ``victims`` (N,) would leak: ``leak``, counted as queries.

        Raises:
            BudgetError: a victim's candidates are more than the threat model's ``queries``.
            ThreatModelError: templates without black-box access.
        """
        self._need_templates()
        draw = self._secrets.draw(victims, self._charge(victims))
        return self.cut(self._bare(self._pipeline.leak(images, self.surface, draw), draw))

    def embed(self, images: Tensor) -> Tensor:
        """(N, D) embeddings of ``images`` by the attacked recogniser, without gradient. Counted."""
        self._need(RecognizerAccess.BLACK_BOX, "embed(images)")
        self._spend(len(images))
        return self._system.recognizer.embed(images)  # type: ignore[no-any-return]

    def public_embeddings(self) -> Tensor:
        """(N, D) undefended embeddings of all public images. Counted as N queries, once."""
        self._need(RecognizerAccess.BLACK_BOX, "public_embeddings()")
        if not self._asked_public:
            self._asked_public = True
            self._spend(len(self._public))
        return self._embeddings(self._undefended, self._public, self._secrets)

    @torch.no_grad()
    def scores(self, images: Tensor, victims: Tensor) -> Tensor:
        """(N,) comparison scores of ``images`` against the templates of ``victims`` (N,). Counted per victim."""
        return self._compared(victims, lambda draw: self._system.probe_images(images, draw))

    @torch.no_grad()
    def public_scores(self, index: Tensor, victims: Tensor) -> Tensor:
        """``scores`` of the public images at ``index`` (N,), embedded once for all who are asked about them."""
        if not self._system.embedding_fixed:
            return self.scores(self._public.images(index).to(self._system.recognizer.device), victims)

        def probes(draw: SecretDraw) -> Leak:
            z = self._embeddings(self._system, self._public, self._installation)[index]
            return self._system.probe(z.to(self._system.recognizer.device), draw)  # type: ignore[no-any-return]

        return self._compared(victims, probes)

    def _compared(self, victims: Tensor, probes: Callable[[SecretDraw], Leak]) -> Tensor:
        self._need(RecognizerAccess.SCORES, "scores(images, victims)")
        if self._enrolled is None:
            raise ThreatModelError("This run has no enrolled victims to compare with; scores cannot be asked.")
        if self._system.person_keyed:
            raise NotApplicable(f"{self._system.name}: whoever asks for scores holds no victim's key to ask with.")
        draw = self._installation.draw(victims, self._charge(victims))
        return self._system.compare(leak_take(self._enrolled, victims), probes(draw))  # type: ignore[no-any-return]

    @property
    def recognizer(self) -> nn.Module:
        """The attacked recogniser with gradients (white box).

        Raises:
            ThreatModelError: white box is not granted.
            NoGradientError: it is granted but the recogniser is forward only.
        """
        self._need(RecognizerAccess.WHITE_BOX, "recognizer")
        recognizer: nn.Module = self._system.recognizer
        if not getattr(recognizer, "differentiable", True):
            raise NoGradientError(recognizer.no_gradient_message())  # type: ignore[operator]
        return recognizer

    @property
    def defense(self) -> Any:
        """The defence itself (algorithm known: K2, K3); an oracle (K1) may only be called through ``leak``."""
        if self.threat.defense not in (DefenseKnowledge.K2, DefenseKnowledge.K3):
            raise self._refusal("defense", "defense knowledge K2 or K3", self.threat.defense.value)
        return self._system

    @property
    def secrets(self) -> SecretSource:
        """The victim installation's secrets (K3)."""
        if self.threat.defense is not DefenseKnowledge.K3:
            raise self._refusal("secrets", "defense knowledge K3", self.threat.defense.value)
        return self._installation

    def example(self) -> Leak:
        """The leak of one public image: its shape is what an attack builds its networks for."""
        return self.pairs(torch.zeros(1, dtype=torch.int64))

    def _need_templates(self) -> None:
        """A template of one's own image is an answer of the attacked recogniser; a wire needs only the client."""
        if self.surface is Surface.TEMPLATE:
            self._need(RecognizerAccess.BLACK_BOX, "leak(images) at the template surface")

    def _count_pairs(self, ids: Iterable[int | bytes]) -> None:
        self._seen.update(ids)
        if self.threat.pairs is not None and len(self._seen) > self.threat.pairs:
            raise BudgetError(
                f"{len(self._seen)} distinct (image, leak) pairs were asked for, the threat model grants "
                f"{self.threat.pairs}; use target.pair_budget."
            )

    def _charge(self, victims: Tensor) -> Tensor:
        """(N,) the how-manieth query about its victim each one is: sample secrets are fresh for every query."""
        if victims.dtype != torch.int64 or (len(victims) and int(victims.min()) < 0):
            raise InputError("Victims are asked about by their positions, int64 from 0.")  # -1 is another name of one
        counts = []
        for victim in victims.tolist():
            self._per_victim[victim] = self._per_victim.get(victim, 0) + 1
            counts.append(self._per_victim[victim])
            if self.threat.queries is not None and self._per_victim[victim] > self.threat.queries:
                raise BudgetError(
                    f"Victim {victim} was queried {self._per_victim[victim]} times, the threat model grants "
                    f"{self.threat.queries}; ask for fewer or declare a larger budget."
                )
        self._spend(len(victims))
        return torch.tensor(counts, dtype=torch.int64)

    def _spend(self, count: int) -> None:
        self.n_queries += count

    def _need(self, access: RecognizerAccess, what: str) -> None:
        if not self.threat.grants(access):
            raise self._refusal(what, f"recognizer access {access.value!r}", self.threat.recognizer.value)

    @staticmethod
    def _refusal(what: str, grant: str, seen: str) -> ThreatModelError:
        return ThreatModelError(
            f"target.{what} needs {grant}, but the threat model grants {seen!r}; declare it in the attack's "
            "`threat`, or do without."
        )
