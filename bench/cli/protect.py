"""``faceleak protect``: a folder of aligned pictures through a defence of published pictures, before posting them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from ...datasets.files import DEAD_LINK, MISNAMED, Found, pictures_in
from ...datasets.inventory import Inventory
from ...datasets.pictures import HEIC, frames, open_picture
from ...defenses.base import Defense, overrides
from ..core.errors import InputError
from ..core.leaks import leak_map
from ..core.registry import DEFENSES
from ..core.secrets import SecretDraw, SecretSource
from ..core.seeding import sample_ids
from ..plan.toml import loads, tomllib
from ..plan.track import DefenseSpec
from ..prepare.session import Session


@dataclass
class Protected:
    """What became of the pictures; names are relative to the folder they were read from."""

    done: dict[str, str] = field(default_factory=dict)  # name -> what was done
    partly: dict[str, str] = field(default_factory=dict)  # name -> what of a picture that is done was not taken
    there: list[str] = field(default_factory=list)  # was in ``out`` before, left alone
    problems: dict[str, str] = field(default_factory=dict)  # name -> why it is not protected
    passed: dict[str, str] = field(default_factory=dict)  # name -> why it is no picture, or not this folder's

    @property
    def inventory(self) -> Inventory:
        """The same account as a data set's."""
        count = len(self.done) + len(self.there) + len(self.problems)
        return Inventory(count, passed=self.passed, unreadable=self.problems)

    def lines(self) -> Iterator[str]:
        """What was done, a line for each picture: protected, then there before."""
        yield from (f"Protected {name}: {what}" for name, what in self.done.items())
        yield from (f"Was there {name}: not written again, whatever made it" for name in self.there)


def named_defense(session: Session, name: str, settings: Sequence[str]) -> Defense:
    """The track's entry of that title, or a registered defence, fitted with the track's faces and recognisers.

    Args:
        session: of the track.
        name: a label of the track or a name of the registry.
        settings: ``key=value``, values as in TOML; they make a registered defence of its own.

    Raises:
        InputError: a setting is not key=value; the defence leaves published pictures alone.
    """
    values = {}
    for text in settings:
        key, equals, value = text.partition("=")
        try:
            if not equals:
                raise tomllib.TOMLDecodeError("no =")
            values[key] = loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"--set {text!r}: expected key=value with a TOML value, such as epsilon=0.03.") from error
    titled = {entry.title: entry for entry in session.track.defenses}
    spec = titled[name] if name in titled and not values else DefenseSpec(name=name, settings=values)
    if isinstance(spec.name, str) and not overrides(DEFENSES.get(spec.name)(spec.settings), "publish"):
        raise InputError(f"{name} does not change published pictures; `faceleak list defenses` shows which do (image).")
    seed = session.track.seeds[0]
    return session.of(seed).defense(spec, session.track.targets[0].recognizer, seed)


def protect(session: Session, defense: Defense, source: Path, out: Path, keys: Path | None) -> Protected:
    """Write a protected PNG for every picture below ``source``, under the same relative name below ``out``.

    Originals are only read. What is already in ``out`` stays, so an interrupted call goes on. Metadata is left behind.
    Secrets are drawn by the operating system: two calls never share them.

    Args:
        session: for the device and progress.
        defense: fitted.
        source: folder of square, aligned face pictures.
        out: folder; made when needed.
        keys: folder where a reversible defence's keys go, a file per picture; None throws them away.

    Raises:
        InputError: no such folder, no pictures, ``out`` inside of ``source`` or the reverse, keys of what has none.
    """
    pictures, result = _pictures(source, out)
    if keys is not None and not defense.reversible:
        raise InputError(f"{defense.name} is not reversible, so there are no keys to keep; leave --keys out.")
    if keys is not None and keys.resolve().is_relative_to(out.resolve()):
        raise InputError(f"The keys must not lie beside what is published: {keys} is inside of {out}.")
    installation = SecretSource.installation(secrets.randbits(62))
    for one in session.progress.track(pictures, len(pictures), f"protecting by {defense.name}"):
        name = one.file
        target = (out / name).with_suffix(".png")
        if target.exists():
            result.there.append(name)
            continue
        data = one.read(None)
        image = data if isinstance(data, str) else _read(data)
        if isinstance(image, str) or isinstance(data, str):
            result.problems[name] = str(image)
            continue
        draw = installation.draw(sample_ids([name]))
        _write(_published(session, defense, image, draw), target)
        if keys is not None:
            _write_key(session, defense, image, draw, (keys / name).with_suffix(".safetensors"))
        count = frames(data)
        if count > 1:
            result.partly[name] = f"only the first of its {count} pictures is in {target.name}"
        result.done[name] = f"{target.name}, by {defense.name}"
    return result


def _pictures(source: Path, out: Path) -> tuple[list[Found], Protected]:
    """The pictures in ``source``, and a result that holds what else is there.

    Raises:
        InputError: no such folder, no pictures, ``out`` a file, inside of ``source`` or the reverse.
    """
    if not source.is_dir():
        raise InputError(f"{source} is no folder; give the folder that holds the pictures.")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give a folder for the protected pictures.")
    inside, outside = out.resolve(), source.resolve()
    if inside == outside or inside.is_relative_to(outside) or outside.is_relative_to(inside):
        raise InputError(f"{out} and {source} overlap; originals are never written to, choose another --out.")
    found, passed = pictures_in(source)
    result = Protected()
    for name, reason in passed.items():
        # A photograph that is not read is left out, and the caller must hear of it; a text is none of their pictures.
        lost = Path(name).suffix.lower() in HEIC or reason in (DEAD_LINK, MISNAMED)
        (result.problems if lost else result.passed)[name] = reason
    if not found:
        seen = f" ({result.inventory.sentence()})" if passed else ""
        raise InputError(f"{source} holds no picture that can be read{seen}.")
    written: dict[str, str] = {}
    for one in found:
        other = written.setdefault(str(Path(one.file).with_suffix("")), one.file)
        if other != one.file:
            raise InputError(f"{other} and {one.file} would become the same PNG; rename one of them.")
    return found, result


def _read(data: bytes) -> Tensor | str:
    """(1, 3, H, H) in [0, 1], or why not."""
    picture = open_picture(data)
    if isinstance(picture, str):
        return picture
    if picture.width != picture.height:
        return f"the picture is {picture.width}x{picture.height}, not square; align and crop it first"
    return torch.from_numpy(np.asarray(picture).transpose(2, 0, 1).copy())[None].float() / 255


@torch.no_grad()
def _published(session: Session, defense: Defense, image: Tensor, draw: SecretDraw) -> Tensor:
    return defense.publish(image.to(session.device), draw).cpu()


def _write(image: Tensor, target: Path) -> None:
    """By one rename: a PNG is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    pixels = (image[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    temporary = target.with_suffix(".part")
    Image.fromarray(pixels).save(temporary, "PNG")
    temporary.replace(target)


@torch.no_grad()
def _write_key(session: Session, defense: Defense, image: Tensor, draw: SecretDraw, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    key = leak_map(lambda part: part.cpu().contiguous(), defense.make_key(image.to(session.device), draw))
    save_file(key if isinstance(key, dict) else {"key": key}, target)
