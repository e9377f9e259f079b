"""The root of all secrets of a run: entropy that stays with the harness.

A run's seed is a small number that stands on every row, so nothing that must stay hidden may follow from it: whoever
can draw the installation's key undoes the defence. Keys and sample secrets therefore follow from the seed *and* from 32
random bytes, made when a store is first used and kept in it; an attack's process is never told them. A finished run
publishes its root (``secrets.json``), so that anybody can repeat it to the last digit: set ``FACELEAK_SECRET_ROOT`` to
it. A submitted attack is judged by a run with a fresh root.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from ..core.errors import InputError
from ..core.secrets import SecretSource
from ..store.durable import write_if_changed, write_text
from ..store.sweep import remove_lock

VARIABLE = "FACELEAK_SECRET_ROOT"
PUBLISHED = "secrets.json"
NO_ROOT = "none"  # secrets follow from the seed alone, as they did until 0.1: for old boards and for tests
_BYTES = 32


@dataclass(frozen=True)
class SecretRoot:
    """Where secrets come from.

    Args:
        entropy: 32 bytes; empty for ``NO_ROOT``.
    """

    entropy: bytes

    @property
    def fingerprint(self) -> str:
        """What may be told of it: results under one root have one fingerprint."""
        return hashlib.sha256(b"faceleak root" + self.entropy).hexdigest()[:16] if self.entropy else ""

    @property
    def text(self) -> str:
        """As ``FACELEAK_SECRET_ROOT`` takes it."""
        return self.entropy.hex() or NO_ROOT

    def seed(self, seed: int, purpose: str) -> int:
        """A 62-bit seed that cannot be computed without the root, nor the root or another one from it."""
        if not self.entropy:
            return seed
        keyed = hashlib.blake2b(f"{purpose}\x1f{seed}".encode(), key=self.entropy, digest_size=8)
        return int.from_bytes(keyed.digest(), "little") >> 2

    def installation(self, seed: int, key: int = 0) -> SecretSource:
        """The deployed system's secrets; another ``key`` is a re-issued deployment secret."""
        return SecretSource.installation(self.seed(seed, "installation"), key)


def secret_root(store: Path, say: Callable[[str], None] = lambda text: None) -> SecretRoot:
    """The root that ``FACELEAK_SECRET_ROOT`` gives, else the store's own, made when it is first asked for.

    A file that a power cut left empty or cut is made anew, as all of the store is, and ``say`` is told.

    Raises:
        InputError: what the variable gives is not 64 hex digits.
    """
    if given := os.environ.get(VARIABLE, ""):
        found = _parsed(given)
        if found is None:
            raise InputError(
                f"A secret root is {2 * _BYTES} hex digits, or {NO_ROOT!r}; {VARIABLE} has {len(given)} characters."
            )
        return found
    file = store / "secret_root"
    store.mkdir(parents=True, exist_ok=True)
    with FileLock(str(file) + ".lock"):
        found = _parsed(file.read_text(encoding="utf-8", errors="replace").strip()) if file.is_file() else None
        if found is None:
            if file.is_file():
                say(f"{file} is no secret root any more; it is made anew, and what was made with the old one with it.")
            found = SecretRoot(secrets.token_bytes(_BYTES))
            write_text(file, found.text + "\n")
            file.chmod(0o600)
        remove_lock(Path(f"{file}.lock"))
    return found


def _parsed(text: str) -> SecretRoot | None:
    if text == NO_ROOT:
        return SecretRoot(b"")
    try:
        entropy = bytes.fromhex(text)
    except ValueError:
        return None
    return SecretRoot(entropy) if len(entropy) == _BYTES else None


def publish_root(root: SecretRoot, out: Path) -> None:
    """Write a finished run's root beside its results."""
    content = {"root": root.text, "fingerprint": root.fingerprint, "repeat_with": f"{VARIABLE}={root.text}"}
    write_if_changed(out / PUBLISHED, json.dumps(content, indent=1) + "\n")
