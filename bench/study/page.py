"""The respondents' page: one file that loads nothing and sends nothing, and the key that stays with the researcher."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..core.errors import InputError
from ..store.durable import write_text
from .answers import KEY, read_key
from .make import Study

PAGE = "lineup.html"
CONSENT = (
    "This study asks how well people recognise somebody from a picture that a computer has made out of data about the "
    "person's face, or has changed to hide who it is.",
    "Taking part is voluntary. You can stop at any moment and keep your answers to yourself: the page runs on your "
    "device alone and sends nothing. What you may hand over at the end is a small file with your choices and how long "
    "each of them took. It holds no name and no address.",
    "You will see pictures of faces, some of them distorted. Please do not copy or pass on any of them.",
)


def write_study(study: Study, about: Mapping[str, Any], folder: Path, consent: Sequence[str], contact: str) -> Path:
    """Write ``lineup.html`` and ``lineup-key.json``; returns the page.

    Args:
        study: what is shown.
        about: of the run, for the key.
        folder: made where it is missing.
        consent: paragraphs of plain text.
        contact: whom to ask; empty for nobody.

    Raises:
        InputError: another study is in the folder: its answers need its key.
    """
    key = {**about, **study.key}
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
    if (folder / KEY).exists() and read_key(folder / KEY)["study"] != name:
        raise InputError(
            f"{folder / KEY} is the key of another study, without which its answers are lost; choose another --out."
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / KEY, json.dumps({"study": name, **key}, indent=1) + "\n")
    write_text(folder / PAGE, _page(study, name, consent, contact))
    return folder / PAGE


def _page(study: Study, name: str, consent: Sequence[str], contact: str) -> str:
    parts = Path(__file__).parent / "templates"
    style, script = ((parts / f"lineup.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    data = {
        "study": name,
        "pictures": {key: base64.b64encode(png).decode() for key, png in study.pictures.items()},
        "trials": study.shown,
        "forms": study.forms,
    }
    made = Environment(loader=PackageLoader(__package__, "templates"), autoescape=True, undefined=StrictUndefined,
                       trim_blocks=True)  # fmt: skip
    return made.get_template(PAGE).render(
        policy="; ".join(
            ("default-src 'none'", "img-src data:", f"style-src {_hash(style)}",
             f"script-src {_hash(script)}", "form-action 'none'", "base-uri 'none'")
        ),
        style=Markup(style), script=Markup(script),  # the package's own  # nosec B704
        consent=list(consent), contact=contact,
        # "<" cannot end the data block then.
        data=Markup(json.dumps(data).replace("<", "\\u003c")),  # nosec B704
        faces=study.key["faces"], trials=len(study.forms[0]),
    )  # fmt: skip


def _hash(text: str) -> str:
    """How a content security policy names an inline block: only this very text may run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
