"""What the pages share: the templates and the choices of the filters."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .style import surface_text
from .traits import Traits

_TEMPLATES = Path(__file__).parent / "templates"


def environment(*, site: bool = False) -> Environment:
    """The templates, with everything escaped that they print.

    The pages carry a policy that lets a browser use their own style and script, told by their hashes, and the pictures
    beside them; nothing that a label, a message or a run folder of others could bring in runs or is fetched.

    Args:
        site: with the style and the script of the site's pages behind those of a report's.
    """
    made = Environment(
        loader=PackageLoader(__package__, "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters["surface"] = surface_text
    style, script = (_own(*names[: 1 + site]) for names in (("style.css", "site.css"), ("script.js", "site.js")))
    made.globals |= {"style": Markup(style), "script": Markup(script), "policy": _policy(style, script)}  # nosec B704
    return made


def _own(*names: str) -> str:
    return "\n" + "".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in names)


def _policy(style: str, script: str) -> str:
    """Content-Security-Policy of the pages."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; img-src 'self' file:; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


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
