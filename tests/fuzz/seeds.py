"""Small sound inputs of every format, made from nothing, and some that are known to be meant ill."""

from __future__ import annotations

import functools
import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from faceleak.datasets.recordio import MAGIC
from PIL import Image
from safetensors.torch import save

TRACKS = Path(__file__).parents[2] / "bench" / "tracks"


class Evil:
    """Its pickle runs a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


@functools.cache
def picture(kind: str = "PNG", mode: str = "RGB", side: int = 12, **options: Any) -> bytes:
    """An encoded picture of smooth colours."""
    small = np.random.default_rng(side).integers(0, 256, (3, 3, 3), dtype=np.uint8)
    made = Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    made.quantize(16).save(file, kind, **options) if mode == "P" else made.convert(mode).save(file, kind, **options)
    return file.getvalue()


def pictures(kind: str) -> list[bytes]:
    """Pictures of one format, with what it may carry besides."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Phone"
    modes = {"PNG": ("RGB", "L", "P", "RGBA", "1", "I;16"), "JPEG": ("RGB", "L", "CMYK"), "WEBP": ("RGB", "RGBA")}
    found = []
    for mode in modes[kind]:
        if mode == "I;16":
            file = io.BytesIO()
            Image.fromarray(np.arange(144, dtype=np.uint16).reshape(12, 12) * 400).save(file, kind)
            found.append(file.getvalue())
        else:
            found.append(picture(kind, mode))
    file = io.BytesIO()
    Image.new("RGB", (12, 12), "red").save(file, kind, exif=exif)
    found.append(file.getvalue())
    if kind != "JPEG":
        file = io.BytesIO()
        Image.new("RGB", (12, 12), "red").save(file, kind, save_all=True, append_images=[Image.new("RGB", (12, 12))])
        found.append(file.getvalue())
    return found


def other_pictures() -> list[bytes]:
    """Formats that few sets have and all of which are read."""
    kinds = ("GIF", "TIFF", "BMP", "PPM", "ICO", "TGA", "JPEG2000", "PCX", "SGI", "DDS", "AVIF", "ICNS", "IM", "SPIDER")
    found = []
    for kind in kinds:
        try:
            found.append(picture(kind, "F" if kind == "SPIDER" else "RGB"))
        except (KeyError, OSError, ValueError):
            continue
    for packing in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        found.append(picture("TIFF", "RGB", compression=packing))
    return found


def bins() -> list[bytes]:
    """``.bin`` verification sets."""
    shots = [picture("PNG", side=12), picture("JPEG", side=12), picture("PNG", side=10), picture("JPEG", side=10)]
    same = [True, False]
    arrays = [np.frombuffer(one, np.uint8).copy() for one in shots]
    plain: list[bytes] = [pickle.dumps((shots, same), protocol) for protocol in range(6)]
    plain += [pickle.dumps((arrays, np.array(same)), protocol) for protocol in range(2, 6)]
    plain += [pickle.dumps(([bytearray(one) for one in shots], [1, -1]), 5)]
    return [*plain, pickle.dumps((shots, Evil()), 2), pickle.dumps(([Evil()] * 4, same), 4)]


def _record(data: bytes) -> bytes:
    return struct.pack("<II", MAGIC, len(data)) + data + bytes(-len(data) % 4)


@functools.cache
def record() -> tuple[bytes, bytes]:
    """``train.rec`` and ``train.idx``."""
    parts = [struct.pack("<IfQQ", 2, 0.0, 0, 0) + struct.pack("<2f", 4, 6)]
    for key in range(1, 4):
        parts.append(struct.pack("<IfQQ", 0, float(key // 2), key, 0) + picture("JPEG"))
    parts.append(struct.pack("<IfQQ", 1, 0.0, 4, 0) + struct.pack("<f", 2.0) + picture("PNG"))
    content, lines = b"", []
    for key, part in enumerate(parts):
        lines.append(f"{key}\t{len(content)}\n")
        content += _record(part)
    return content, "".join(lines).encode()


def tracks() -> list[bytes]:
    """The suite's own tracks."""
    return [file.read_bytes() for file in sorted(TRACKS.glob("*.toml")) if file.stat().st_size < 12_000]


def labels() -> list[bytes]:
    """Attributes of pictures and of people."""
    text = "sample,smile,age\np0/1.png,yes,1\np0/2.png,no,2.0\np1/1.png,yes,1\n"
    return [text.encode(), text.encode("utf-16"), text.replace(",", ";").encode("utf-8-sig"),
            b"identity\tglasses\np0\t1\np1\t0\n"]  # fmt: skip


def pairs() -> list[bytes]:
    """Lists of pairs, as LFW's, as View 1 and as CSV."""
    view2 = "2\t1\np0\t1\t2\np0\t1\tp1\t1\np1\t1\t2\np0\t2\tp1\t1\n"
    return [view2.encode(), view2.encode("utf-16"), b"2\np0 1 2\np1 1 2\np0 1 p1 2\np0 2 p1 1\n",
            b"a,b,same\np0/p0_0001.png,p0/p0_0002.png,1\np0/p0_0001.png,p1/p1_0001.png,0\n",
            b"p0/p0_0001.png p1/p1_0001.png 0\np0/p0_0001.png p0/p0_0002.png 1\n"]  # fmt: skip


def celeba() -> list[bytes]:
    """Lines of CelebA's lists."""
    return [b"000001.jpg 2880\n000002.jpg 2937\n000003.jpg 8692\n", b"a.jpg  1\n"]


def safetensors() -> list[bytes]:
    """Weights of the small network of the targets."""
    return [save({"weight": torch.ones(2, 3), "bias": torch.zeros(2)}, {"format": "pt"}),
            save({"module.weight": torch.ones(2, 3).half(), "module.bias": torch.zeros(2)})]  # fmt: skip


def checkpoints() -> list[bytes]:
    """torch's own files, old and new, and one that would run a command."""
    state = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}
    found = []
    for content, new in ((state, True), (state, False), ({"state_dict": state, "epoch": 3}, True), ([Evil()], True),
                         ({"weight": Evil()}, False)):  # fmt: skip
        file = io.BytesIO()
        torch.save(content, file, _use_new_zipfile_serialization=new)
        found.append(file.getvalue())
    return found


def networks() -> list[bytes]:
    """Pickles in the manner of NVIDIA's releases."""
    module = {"_parameters": {"w": torch.ones(2)}, "_buffers": {}, "_modules": {}}
    return [pickle.dumps({"G_ema": Evil()}), pickle.dumps({"G_ema": module}, 2), pickle.dumps({"D": 1}, 4)]


def _packed(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def zips() -> list[bytes]:
    """Zips of faces, one that climbs, one that grows."""
    faces = {f"set/p{person}/{shot}.png": picture() for person in range(2) for shot in range(2)}
    return [_packed(faces), _packed(faces, zipfile.ZIP_DEFLATED), _packed({**faces, "__MACOSX/set/._1.png": b"x"}),
            _packed({"../p0/1.png": picture()}), _packed({"p0/1.bmp": bytes(1 << 22)}, zipfile.ZIP_DEFLATED),
            _packed(faces, zipfile.ZIP_LZMA), _packed(faces, zipfile.ZIP_BZIP2)]  # fmt: skip


def _taped(members: dict[str, bytes], *more: tarfile.TarInfo) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in more:
            archive.addfile(info)
    return file.getvalue()


def archives() -> list[bytes]:
    """What a server may send in the place of an archive, good and bad."""
    link = tarfile.TarInfo("top/link")
    link.type, link.linkname = tarfile.SYMTYPE, "../../../etc"
    tape = _taped({"top/a.txt": b"a", "top/b/c.txt": b"c"})
    return [tape, gzip.compress(tape), _taped({"../a": b"x"}), _taped({"top/a": b"x"}, link), *zips(),
            gzip.compress(_taped({"top/zeros": bytes(1 << 24)}))]  # fmt: skip


def evidence() -> list[bytes]:
    """What the cells of a run kept, good and bad; not compressed."""
    cell = {"k/state.json": states()[0], "k/rows.json": rows()[0], "k/scores.npz": scores()[0]}
    return [
        _taped(cell),
        _taped({"../k/state.json": b"{}"}),
        _taped({"k/deep/er": b""}),
        _taped({"k/zeros": bytes(1 << 22)}),
    ]


def states() -> list[bytes]:
    """A cell's ``state.json``."""
    flag = {"flag": "F6", "message": "12 false accepts"}
    state = {
        "status": "ok", "track": "t", "error": None, "command": "faceleak run t", "flags": [flag], "isolated": True,
        "cell": {"recognizer": "a", "defense": "none", "attack": "decoder", "surface": "template", "knowledge": "K0",
                 "seed": 0, "dataset": "d"},
        "absent": {"lpips": "no weights"}, "costs": {"train_s": 1.5}, "seconds": 2.0,
        "files": {"rows.json": "0" * 64},
    }  # fmt: skip
    failed = {**state, "status": "failed", "error": {"class": "InputError", "message": "x"}, "flags": []}
    return [json.dumps(one).encode() for one in (state, failed)]


def rows() -> list[bytes]:
    """A cell's ``rows.json``."""
    shared = {"recognizer": "a", "defense": "none", "attack": "decoder", "surface": "template", "knowledge": "K0",
              "seed": 0, "dataset": "d", "cell": "k", "status": "ok", "flags": "F6,F1", "split": "victims"}  # fmt: skip
    found = [{**shared, "metric": "sar_type2", "judge": "j", "value": 0.5, "fmr": 0.01, "ci_lo": 0.4, "ci_hi": 0.6},
             {**shared, "metric": "psnr", "judge": "", "value": 12.0}]  # fmt: skip
    return [json.dumps(found).encode()]


def measures() -> list[bytes]:
    """A cell's ``measures.json``."""
    part = {"key": "k", "skipped": "", "rows": [{"metric": "psnr", "value": 1.0}], "flags": []}
    return [json.dumps({"identity": part, "pictures": {**part, "skipped": "no"}}).encode()]


def scores() -> list[bytes]:
    """Kept arrays, one of them an object that would run a command."""
    found = []
    for arrays, options in (({"a": np.arange(6.0).reshape(2, 3), "who": np.array(["x", "y"])}, {}),
                            ({"a": np.array([Evil()], dtype=object)}, {"allow_pickle": True})):  # fmt: skip
        file = io.BytesIO()
        np.savez(file, **arrays, **options)  # type: ignore[arg-type]
        found.append(file.getvalue())
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (1 << 24,)})
        archive.writestr("a.npy", head.getvalue() + bytes(1 << 22))
    return [*found, file.getvalue()]


def graphs() -> Iterator[bytes]:
    """ONNX files that recognise nobody: the tests' own tiny ones."""
    from recognizers.graphs import write_graph

    with TemporaryDirectory() as folder:
        for number, how in enumerate(({}, {"batch": 1}, {"kind": "slice"}, {"kind": "odd"}, {"side": 16})):
            yield write_graph(Path(folder) / f"{number}.onnx", **how).read_bytes()  # type: ignore[arg-type]
