"""Attribute editors: what they learn from, what they learn, and what is refused."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.attributes import Attributes
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.nets.editor import Critic, Editor
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.seeding import Rng
from faceleak.bench.measure.public_networks import PublicContext
from faceleak.bench.zoo.editors import EditorSettings, adversarial_loss, attribute_editor, attribute_table
from systems import CPU, faces, kept
from torch import Tensor

SMALL = {"edited": ("first", "second"), "editor_width": 8, "editor_blocks": 1, "editor_steps": 2,
         "critic_steps": 2, "critic_batch": 8}  # fmt: skip


def learnt(data: FaceSet, seed: int = 0, resolution: int = 16, keep: Any = None, **values: Any) -> Editor:
    keep = keep or functools.partial(kept, "editors")
    settings = EditorSettings(**{**SMALL, **values})
    context = PublicContext(Rng(seed, "any"), CPU, Progress(), resolution, keep)
    return attribute_editor(data, context, settings, "residual")


def labelled(attributes: Attributes | None) -> FaceSet:
    plain = faces()["public"]
    return FaceSet("public", plain.samples, plain.identities, lambda i: plain.images(torch.as_tensor(i)), "other",
                   lambda: attributes)  # fmt: skip


def tinted() -> FaceSet:
    """Every other picture is redder; nothing says which would be its pair."""
    plain, labels = faces()["public"], torch.arange(150) % 2

    def read(index: Any) -> Tensor:
        x = 0.7 * plain.images(torch.as_tensor(index))
        x[:, 0] += 0.3 * labels[index][:, None, None]
        return x

    known = Attributes({"red": ("no", "yes")}, {"red": labels})
    return FaceSet("tinted", plain.samples, plain.identities, read, "tinted", lambda: known)


def test_edited_pictures_have_what_was_wanted() -> None:
    data = tinted()
    editor = learnt(data, edited=("red",), editor_steps=130, editor_lr=5e-3, editor_rec=20.0)
    x, own = data.resized(torch.arange(60), 16), attribute_table(data, ("red",))[:60]
    kept_, changed = editor(x, own), editor(x, 1 - own)
    redder = (changed - kept_).mean((2, 3))[:, 0] * (1 - 2 * own[:, 0])
    assert float((redder > 0.05).float().mean()) > 0.9, "red comes and goes as it is asked for"
    assert float((kept_ - x).abs().mean()) < 0.1, "what they had, they keep"


def test_equal_settings_share_one_and_other_labels_do_not() -> None:
    asked: list[dict[str, Any]] = []

    def keep(name: str, spec: Any, make: Any) -> Any:
        asked.append({"name": name, **spec})
        return make()

    plain = faces()["public"]
    assert plain.attributes is not None
    flipped = Attributes(plain.attributes.classes, {k: 1 - v for k, v in plain.attributes.labels.items()})
    first, again, other = (learnt(data, keep=keep) for data in (plain, plain, labelled(flipped)))
    assert asked[0] == asked[1] != asked[2]
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values()))
    assert not all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), other.state_dict().values()))
    assert not any(p.requires_grad for p in first.parameters())


def test_editor_and_critic_learn_from_their_own_loss_only() -> None:
    with Rng(0, "both").seeds_torch():
        editor, critic = Editor("residual", 2, 4, 1), Critic(2, 4)
    x = faces()["public"].resized(torch.arange(4), 16)
    own = attribute_table(faces()["public"], ("first", "second"))[:4]
    adversarial_loss(editor, critic, x, own, EditorSettings()).backward()
    found = [p.grad.clone() for p in critic.parameters() if p.grad is not None]
    critic.zero_grad()
    y = editor(x, own.roll(1, 0)).detach()
    (real, seen), (fake, _) = critic(x), critic(y)
    judged = (real - 1).square().mean() + fake.square().mean() + F.binary_cross_entropy_with_logits(seen, own)
    expected = torch.autograd.grad(judged, list(critic.parameters()))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, expected))
    assert all(p.grad is not None and bool(p.grad.any()) for p in editor.net.decoder[-1].parameters())


@pytest.mark.parametrize(
    ("values", "message"),
    [({"edited": ("glasses",)}, "change glasses, which the data set does not know .* some of first, second"),
     ({"edited": ()}, "edited is empty"), ({"resolution": 24}, "16 divides, got 24")],
)  # fmt: skip
def test_what_cannot_be_learnt_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        learnt(faces()["public"], **values)


def test_without_labels_there_is_no_editor() -> None:
    with pytest.raises(InputError, match="of the public split nothing is known; give the data set a file of labels"):
        learnt(labelled(None))


def test_attributes_of_many_classes_are_not_edited() -> None:
    many = Attributes({"first": ("a", "b", "c")}, {"first": torch.zeros(150, dtype=torch.int64)})
    with pytest.raises(InputError, match="two classes; set `edited` to some of none"):
        attribute_table(labelled(many), ("first",))
