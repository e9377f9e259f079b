"""What the pages share: the templates and the choices of the filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined

from .style import surface_text
from .traits import Traits


def environment() -> Environment:
    """The templates, with everything escaped that they print."""
    made = Environment(
        loader=PackageLoader(__package__, "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters["surface"] = surface_text
    return made


def filters_of(traits: Traits, values: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Choices that would change something: a filter with one choice is left out.

    Args:
        traits: of all defences; goal and secret are offered for those that are there.
        values: what occurs, by filter; "defense" among them.
    """
    here = [traits[name] for name in dict.fromkeys(values["defense"]) if name in traits]
    every = dict(values) | {name: [part[name] for part in here] for name in ("goal", "secret")}
    choices = {name: sorted({*found} - {""}) for name, found in every.items()}
    return {name: found for name, found in choices.items() if len(found) > 1}
