"""From a sound input to an unsound one: bytes, words and numbers changed at random, the same for the same seed."""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

Edit = Callable[[bytes, random.Random], bytes]

_NUMBERS = (0, 1, 2, 127, 128, 255, 256, 32767, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
_FORMATS = ("B", "<H", ">H", "<I", ">I", "<Q", ">Q")
_TEXTS = (b"nan", b"-1", b"1e999", b"99999999999999999999", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"''", b'"', b"\n\n",
          b"../", b"=1+1", b"\x1b[31m", "\u202e\u0301".encode(), b"${HOME}", b"~", b"%s", b"{}", b"[")  # fmt: skip


def _place(data: bytes, rng: random.Random) -> int:
    """Headers stand at the beginning, directories of archives at the end: those more often."""
    spread = rng.choice((16, 64, len(data) + 1, len(data) + 1))
    at = min(rng.randrange(spread), len(data))
    return len(data) - at if rng.random() < 0.2 else at


def _flip(data: bytes, rng: random.Random) -> bytes:
    at = min(_place(data, rng), max(0, len(data) - 1))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :] if data else data


def _number(data: bytes, rng: random.Random) -> bytes:
    form = rng.choice(_FORMATS)
    size = struct.calcsize(form)
    value = (rng.choice(_NUMBERS) + rng.choice((0, 0, 0, 1, -1))) % (1 << 8 * size)
    at = _place(data, rng)
    return data[:at] + struct.pack(form, value) + data[at + size :]


def _delete(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + rng.choice((1, 2, 4, 16, 100)) :]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at : at + rng.choice((1, 4, 16, 64))] * rng.choice((1, 2, 7, 300)) + data[at:]


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + rng.choice(_TEXTS) + data[at:]


def _noise(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + rng.randbytes(rng.choice((1, 4, 32))) + data[at:]


def _swap(data: bytes, rng: random.Random) -> bytes:
    a, b = sorted((_place(data, rng), _place(data, rng)))
    size = rng.choice((1, 4, 16))
    return data[:a] + data[b : b + size] + data[a + size : b] + data[a : a + size] + data[b + size :]


_EDITS: tuple[Edit, ...] = (_flip, _flip, _number, _number, _delete, _repeat, _cut, _insert, _noise, _swap)


def mutated(
    seeds: Sequence[bytes], rng: random.Random, words: Sequence[bytes] = (), special: Edit | None = None
) -> bytes:
    """One of the seeds after one to six edits.

    Args:
        seeds: sound inputs.
        rng: decides everything.
        words: of the format; put in or in the place of others.
        special: an edit that knows the format, taken for half of the inputs.
    """
    data = rng.choice(seeds)
    if special is not None and rng.random() < 0.5:
        data = special(data, rng)
        if rng.random() < 0.7:
            return data
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        if words and rng.random() < 0.3:
            at = _place(data, rng)
            data = data[:at] + rng.choice(words) + data[at + rng.choice((0, 0, 1, 8)) :]
        elif rng.random() < 0.05:
            other = rng.choice(seeds)
            data = data[: _place(data, rng)] + other[_place(other, rng) :]
        else:
            data = rng.choice(_EDITS)(data, rng)
    return data[: 1 << 20]


def png(data: bytes, rng: random.Random) -> bytes:
    """A chunk of a PNG changed, its checksum made right again: else every edit ends at the checksum."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    if not chunks:
        return data
    which = rng.randrange(len(chunks))
    name, body = chunks[which]
    action = rng.randrange(5)
    if action == 0:
        chunks.insert(which, chunks[rng.randrange(len(chunks))])
    elif action == 1:
        kind = rng.choice((b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"tRNS", b"PLTE", b"gAMA"))
        packed = zlib.compress(bytes(rng.choice((10, 1 << 16, 1 << 22))))
        chunks.insert(
            1, (kind, rng.choice((b"k\0\0" + packed, rng.randbytes(26), b"Exif\0\0MM\0*" + rng.randbytes(40))))
        )
    else:
        chunks[which] = (name, rng.choice(_EDITS)(body, rng))
    packed_up = (len(b).to_bytes(4, "big") + n + b + zlib.crc32(n + b).to_bytes(4, "big") for n, b in chunks)
    return data[:8] + b"".join(packed_up)


_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, 10**30, 2**64, float("nan"), float("-inf"), "", "x", "=1+1", "\x1b[31m\n", "../..",
    "\ud800", [], {}, [[]], [None], {"": ""}, ["a", 1], {"a": {"b": []}}, "9" * 5000, [0] * 3000, "a" * 9000,
)  # fmt: skip


def document(data: bytes, rng: random.Random) -> bytes:
    """A value anywhere in a JSON document replaced, doubled, renamed or taken away."""
    try:
        root = [json.loads(data)]
    except ValueError:
        return data
    places: list[tuple[Any, Any]] = []
    left: list[Any] = [root]
    while left:
        part = left.pop()
        keys = list(part) if isinstance(part, dict) else range(len(part))
        for key in keys:
            places.append((part, key))
            if isinstance(part[key], dict | list):
                left.append(part[key])
    for _ in range(rng.choice((1, 1, 2, 3))):
        part, key = rng.choice(places)
        action = rng.random()
        if action < 0.7 or part is root:
            part[key] = rng.choice(_VALUES)
        elif isinstance(part, dict):
            value = part.pop(key, None)
            if action < 0.85:
                part[rng.choice(("", "x", str(key) + "s", "\x1b"))] = value
        elif key < len(part):
            part.append(part[key])
    return json.dumps(root[0]).encode("utf-8", "surrogatepass")


def text(words: Sequence[bytes]) -> Edit:
    """Numbers and words of a text file replaced by others."""
    pool = (*_TEXTS, *words, *(str(number).encode() for number in (-1, 0, 0.5, 2**31, 2**63, 10**25)))

    def edit(data: bytes, rng: random.Random) -> bytes:
        lines = data.split(b"\n")
        for _ in range(rng.choice((1, 1, 2, 4))):
            at = rng.randrange(len(lines))
            parts = lines[at].split(b" ")
            action = rng.random()
            if action < 0.7:
                parts[rng.randrange(len(parts))] = rng.choice(pool)
                lines[at] = b" ".join(parts)
            elif action < 0.85:
                lines.insert(at, rng.choice(lines))
            else:
                lines[at] = rng.choice(lines)
        return b"\n".join(lines)

    return edit
