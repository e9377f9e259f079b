"""Keys of persons that get out together with their templates."""

from __future__ import annotations

from typing import Any

from .leaks import Leak
from .secrets import SecretDraw
from .surfaces import Surface
from .threat import DefenseKnowledge


def strip_disclosed(system: Any, surface: Surface, knowledge: DefenseKnowledge, leak: Leak, draw: SecretDraw) -> Leak:
    """A leak as an adversary holds it who is given everybody's own key with it (K3 of ``person_keyed`` systems); any
    other leak as it is."""
    stolen = knowledge is DefenseKnowledge.K3 and surface is Surface.TEMPLATE and system.person_keyed
    return system.strip_key(leak, draw) if stolen else leak
