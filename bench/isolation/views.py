"""Several leaks of each victim (views): which ones the adversary holds, and what it makes of them.

A person enrols at two services, or comes back to one that draws its secrets afresh: the adversary then holds several
leaks that it knows to be of one person. Views are M presentations of one photograph (fresh sample secrets), or M
photographs of the person, of which one more always stays with the judges.

How they are put together is part of the attack's entry:
  recoveries  each view is attacked on its own. Embeddings: the mean of the unit vectors, normalised. Attributes: the
              mean of the likelihoods. Pictures are never averaged, a mean picture is nobody: the adversary keeps the
              view on which the views agree most, the one closest to the mean of all views' embeddings (its own
              recoveries', else its surrogate's of the pictures, else to the mean picture).
  leaks       the mean of the leaks is attacked, once. Right where views share a key and differ by noise; leaks under
              other keys average to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.context import AttackContext
from ..core.errors import DataError, NotApplicable
from ..core.faces import FaceSet
from ..core.leaks import Leak, leak_cat, leak_map
from ..core.recovery import Recovery

if TYPE_CHECKING:
    from ...attacks.base import Attack
    from ..plan.track import AttackSpec


def further_views(
    faces: FaceSet, index: Tensor, presentation: Tensor, entry: AttackSpec, randomised: bool
) -> list[tuple[Tensor, Tensor]]:
    """Photographs and presentations of the second and each later view.

    Args:
        faces: the split.
        index: (L,) photographs of the first view.
        presentation: (L,) which draw of the sample secrets each of them is.
        entry: says how many views, and of what.
        randomised: whether the leak depends on sample secrets.

    Returns:
        views - 1 pairs of (L,) tensors.

    Raises:
        NotApplicable: views of one photograph of a leak that is the same every time.
        DataError: somebody has fewer photographs than views and one for the judges.
    """
    count = entry.views
    if count == 1:
        return []
    if entry.views_of == "photograph":
        if not randomised:
            raise NotApplicable(
                f"This leak of a photograph is the same every time: {count} views of it are one view; set views_of = "
                "'person'."
            )
        draws = int(presentation.max()) + 1
        return [(index, presentation + draws * view) for view in range(1, count)]
    mine = {label: torch.nonzero(faces.labels == label).flatten() for label in faces.labels[index].unique().tolist()}
    for photographs in mine.values():
        if len(photographs) < count + 1:
            name = faces.identities[int(photographs[0])]
            raise DataError(
                f"{name} has {len(photographs)} photographs in split {faces.name!r}, {count} views of a person take "
                f"{count + 1} (one stays with the judges); lower `views`, or raise the split's `min_images` and "
                "`images`."
            )
    return [(torch.tensor([_next(mine, faces, int(i), view) for i in index]), presentation) for view in range(1, count)]


def _next(mine: dict[int, Tensor], faces: FaceSet, photograph: int, steps: int) -> int:
    """The ``steps``-th photograph after this one among all but the person's last, which is the judges'."""
    own = mine[int(faces.labels[photograph])][:-1]
    place = int(torch.nonzero(own == photograph))
    return int(own[(place + steps) % len(own)])


def recover_leaks(
    attack: Attack, leaks: Sequence[Leak], ids: Sequence[Tensor], context: AttackContext, joined: str
) -> Recovery:
    """What an attack makes of all views of every victim: one recovery for each leak of the first view.

    Args:
        attack: fitted.
        leaks: one for each view, the same victims in the same order.
        ids: (L,) for each view.
        context: as in ``fit``.
        joined: ``recoveries`` or ``leaks``, see the head of this file.
    """
    if len(leaks) == 1 or joined == "leaks":
        return attack.recover(mean_leak(list(leaks)), ids[0], context)
    return combined([attack.recover(leak, i, context) for leak, i in zip(leaks, ids)], context.surrogate)


def mean_leak(leaks: list[Leak]) -> Leak:
    """The mean over the views of (L, ...) leaks; a single one is handed back as it is."""
    if len(leaks) == 1:
        return leaks[0]
    return leak_map(lambda part: part.float().unflatten(0, (len(leaks), -1)).mean(0), leak_cat(leaks))


def combined(views: list[Recovery], own: nn.Module | None = None) -> Recovery:
    """One recovery out of one per view, see the head of this file.

    Args:
        views: M recoveries of the same L victims.
        own: the adversary's recogniser, for pictures without embeddings.
    """
    first = views[0]
    mean = who = images = attributes = None
    if first.embeddings is not None:
        who = torch.stack([view.embeddings for view in views if view.embeddings is not None])  # (M, L, D)
        # Opposite views cancel out; then the first one is as good as any.
        total = who.sum(0)
        mean = F.normalize(torch.where(total.norm(dim=1, keepdim=True) > 1e-6, total, who[0]), dim=1)
    if first.images is not None:
        pictures = torch.stack([view.images for view in views if view.images is not None])  # (M, L, 3, H, W)
        if who is None:
            who = torch.stack([_looks(one, own) for one in pictures])
        chosen = (who - who.mean(0)).square().sum(2).argmin(0)  # (L,)
        images = pictures[chosen, torch.arange(len(chosen))]
    if first.attributes is not None:
        read = [view.attributes for view in views if view.attributes is not None]
        attributes = {name: torch.stack([one[name] for one in read]).mean(0) for name in first.attributes}
    return Recovery(images, mean, first.space, attributes)


@torch.no_grad()
def _looks(images: Tensor, own: nn.Module | None) -> Tensor:
    """(L, D) by what pictures are compared."""
    if own is None:
        return images.flatten(1)
    device = getattr(own, "device", images.device)
    return torch.cat([own(part.to(device)).cpu() for part in images.split(256)])
