"""Attack, floor or ceiling: as the class declared it and ``run.json`` keeps it, guessed only for runs from before."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.surfaces import Role

_BEFORE = {
    **dict.fromkeys(("grey", "mean-face", "random-public-face", "nearest-public-face", "linear-ridge"), Role.FLOOR),
    **dict.fromkeys(("same-photo", "other-photo"), Role.CEILING),
}
_PROBED = "attribute-photo"  # then under labels that begin with it


def role_of(title: str, told: Mapping[str, str], fidelity: str = "") -> Role:
    """The role of an attack.

    Args:
        title: on its rows; a variant's addition in square brackets does not count.
        told: title -> role, of ``run.json``; empty for runs from before roles were kept.
        fidelity: on its rows, for these: a baseline that is no ceiling was drawn as a floor.
    """
    name = title.split(" [")[0]
    for known in (title, name):
        if known in told:
            return Role(told[known])
    if told:
        return Role.ATTACK
    if name.startswith(_PROBED):
        return Role.CEILING
    return _BEFORE.get(name, Role.FLOOR if fidelity == "baseline" else Role.ATTACK)
