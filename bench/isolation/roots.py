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
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from ..core.errors import InputError
from ..core.secrets import SecretSource
from ..store.durable import write_if_changed

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


def secret_root(store: Path) -> SecretRoot:
    """The root that ``FACELEAK_SECRET_ROOT`` gives, else the store's own, made when it is first asked for.

    Raises:
        InputError: what is given or kept is not 64 hex digits.
    """
    given = os.environ.get(VARIABLE, "")
    file = store / "secret_root"
    if not given:
        store.mkdir(parents=True, exist_ok=True)
        with FileLock(str(file) + ".lock"):
            if not file.is_file():
                file.touch(mode=0o600)
                file.write_text(secrets.token_hex(_BYTES) + "\n", encoding="utf-8")
            given = file.read_text(encoding="utf-8").strip()
    if given == NO_ROOT:
        return SecretRoot(b"")
    try:
        entropy = bytes.fromhex(given)
    except ValueError:
        entropy = b""
    if len(entropy) != _BYTES:
        raise InputError(
            f"A secret root is {2 * _BYTES} hex digits, or {NO_ROOT!r}; {VARIABLE} or {file} has {len(given)} of them."
        )
    return SecretRoot(entropy)


def publish_root(root: SecretRoot, out: Path) -> None:
    """Write a finished run's root beside its results."""
    content = {"root": root.text, "fingerprint": root.fingerprint, "repeat_with": f"{VARIABLE}={root.text}"}
    write_if_changed(out / PUBLISHED, json.dumps(content, indent=1) + "\n")
