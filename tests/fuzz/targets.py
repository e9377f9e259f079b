"""Every reader of a file that others made, with sound inputs to begin from."""

from __future__ import annotations

import itertools
import lzma
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torchvision  # noqa: F401  -- its libraries are loaded before anything is watched
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DATASETS, RECOGNIZERS
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.weights import load_strictly, read_state
from faceleak.bench.measure.parts import differs, lacking, read_kept
from faceleak.bench.metrics import weights as backbones
from faceleak.bench.pack.download import _begun
from faceleak.bench.pack.fetch import _present, _unpack
from faceleak.bench.pack.origins import Artefact
from faceleak.bench.plan.cells import cells
from faceleak.bench.plan.track import load_track
from faceleak.bench.recognizers.base import BuildContext
from faceleak.bench.record.cell_files import damage, read_cell
from faceleak.bench.record.packed import EVIDENCE
from faceleak.bench.report.boards import build_boards
from faceleak.bench.report.freshness import is_current
from faceleak.bench.report.load import load_run
from faceleak.bench.run.belonging import earlier
from faceleak.bench.run.collect import collect
from faceleak.bench.run.manifest import same_run
from faceleak.bench.store.store import _broken
from faceleak.bench.zoo.network_pickle import read_network_pickle
from faceleak.bench.zoo.packs import find_model
from faceleak.datasets.celeba import _read_list
from faceleak.datasets.labels import read_labels
from faceleak.datasets.pairs import read_pairs
from faceleak.datasets.pictures import frames, read_picture

from . import graphs, mutate, seeds

_WORDS = (b"path", b"size", b"settings", b"name", b"nan", b"inf", b"[[", b"]]", b"true", b"= -1", b"= 0", b"= 1e400",
          b"= []", b"= {}", b'= ""', b"= [1]", b"K0", b"template", b"seeds", b"= 9223372036854775808")  # fmt: skip
_PICKLE = (b"cos\nsystem\n", b"cbuiltins\neval\n", b"R", b"o", b"i", b"\x93", b"\x81", b"\x92", b"0", b"2", b"b", b".",
           b"h\xff", b"r\xff\xff\xff\x7f", b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x96\0\0\0\0\0\0\0\x40",
           b"\x82\x01", b"cnumpy\ndtype\n", b"\x8c\x06|O8,O8")  # fmt: skip
TABLE = pd.DataFrame({"sample": ["p0/1.png", "p0/2.png", "p1/1.png"], "identity": ["p0", "p0", "p1"]})
OFFICIAL = pd.DataFrame({"sample": [f"p{p}/p{p}_000{n}.png" for p in range(2) for n in (1, 2)]})


@dataclass(frozen=True)
class Target:
    """A reader.

    Args:
        seeds: makes sound inputs.
        read: is given the file of an input; a result or a ``FaceleakError`` must come of it.
        suffix: of the file.
        words: of the format.
        special: an edit that knows the format.
        share: of the inputs, beside the other targets'.
    """

    seeds: Callable[[], Iterable[bytes]]
    read: Callable[[Path], Any]
    suffix: str = ""
    words: Sequence[bytes] = ()
    special: mutate.Edit | None = None
    share: float = 1.0


def _of_dataset(name: str, **settings: Any) -> Callable[[Path], Any]:
    def read(file: Path) -> Any:
        made = DATASETS.get(name)({"path": str(file), "size": 16, **settings})
        made._key()
        made.seen()
        table = made._index()
        wrong = [one for one in itertools.islice(made._read(table), 4) if isinstance(one, str)]
        if name == "insightface-bin":
            made.pairs()
        return "; ".join(wrong)

    return read


def _index(file: Path) -> Any:
    record = file.with_suffix(".rec")
    if not record.is_file():
        record.write_bytes(seeds.record()[0])
    return _of_dataset("recordio")(record)


def _record(file: Path) -> Any:
    index = file.with_suffix(".idx")
    if not index.is_file():
        index.write_bytes(seeds.record()[1])
    return _of_dataset("recordio")(file)


def _picture(file: Path) -> Any:
    data = file.read_bytes()
    frames(data)
    found = read_picture(data, 16)
    return found if isinstance(found, str) else ""


def _track(file: Path) -> Any:
    return len(cells(load_track(str(file))))


def _weights(file: Path) -> None:
    load_strictly(torch.nn.Linear(3, 2), read_state(file, "mine"), "", "mine")


def _onnx(file: Path) -> Any:
    made = RECOGNIZERS.get("onnx")({"path": str(file), "family": "x", "size": 8, "scale": "unit"})
    made.build(BuildContext(None, Rng(0, "r"), torch.device("cpu"), Progress(quiet=True)))
    return made.dim


def _pack(file: Path) -> Any:
    return find_model(str(file), "recognition", "mine").size


def _unpacked(file: Path) -> None:
    copy, final = file.with_name("sent"), file.with_name("unpacked")
    shutil.copyfile(file, copy)
    try:
        _unpack(copy, final, "mine")
    finally:
        shutil.rmtree(final, ignore_errors=True)


_ARTEFACT = Artefact(
    name="mine", what="weights", urls=("https://localhost/x",), file="x.bin", licence="free", terms="", place="",
    folder="folder",
)  # fmt: skip


def _fetched(file: Path) -> None:
    folder = file.with_name("folder")
    folder.mkdir(exist_ok=True)
    _present(_ARTEFACT, folder, file)
    part = file.with_name("x.part")
    part.write_bytes(b"x")
    shutil.copyfile(file, part.with_name("x.part.from"))
    _begun("https://localhost/x", part)


def _cell(name: str) -> Callable[[Path], Any]:
    """A run folder of one cell, one of whose files is the input."""
    sound = {"state.json": seeds.states, "rows.json": seeds.rows, "measures.json": seeds.measures}

    def read(file: Path) -> None:
        run = file.with_name("run")
        cell = run / "cells" / "k"
        cell.mkdir(parents=True, exist_ok=True)
        for other, make in sound.items():
            (cell / other).write_bytes(make()[0])
        (run / "run.json").write_text('{"track": "t", "plan": {"k": {}}}', "utf-8")
        shutil.copyfile(file, cell / name)
        earlier(run)
        found = collect(run / "cells", ["k"], [("decoder", "decoder 2")])
        assert found.failures is not None
        assert found.absent is not None
        damage(cell)
        lacking(cell, {})
        load_run(run)
        if not found.unreadable:
            read_cell(cell)
            differs(cell, {})

    return read


def _evidence(file: Path, *, packed: bool) -> None:
    run = file.with_name("run")
    run.mkdir(exist_ok=True)
    (run / "run.json").write_text('{"track": "t", "plan": {"k": {}}}', "utf-8")
    (run / EVIDENCE).write_bytes(file.read_bytes() if packed else lzma.compress(file.read_bytes(), preset=0))
    loaded = load_run(run)
    collect(loaded.kept, ["k"], [])


def _run_json(file: Path) -> None:
    run = file.with_name("run")
    run.mkdir(exist_ok=True)
    for name in ("run", "env", "manifest", "report"):
        shutil.copyfile(file, run / f"{name}.json")
    earlier(run)
    assert load_run(run).headline_fmr > 0
    is_current(run)
    same_run(run, {})


def _results(file: Path) -> None:
    run = file.with_name("run")
    run.mkdir(exist_ok=True)
    shutil.copyfile(file, run / "results.csv")
    loaded = load_run(run)
    build_boards(loaded.results, loaded.headline_fmr)


def _scores(file: Path) -> None:
    folder = file.with_name("cell")
    folder.mkdir(exist_ok=True)
    shutil.copyfile(file, folder / "scores.npz")
    try:
        read_kept(folder, "identity")
    except ValueError as error:  # what it promises of a damaged file; `verify` says it in a sentence
        raise InputError(str(error)) from error


def _seal(file: Path) -> str:
    final = file.with_name("artefact")
    final.mkdir(exist_ok=True)
    shutil.copyfile(file, final / "seal.json")
    return _broken(final)


TARGETS: dict[str, Target] = {
    "bin": Target(seeds.bins, _of_dataset("insightface-bin"), ".bin", _PICKLE, share=2),
    "rec": Target(lambda: [seeds.record()[0]], _record, ".rec"),
    "idx": Target(lambda: [seeds.record()[1]], _index, ".idx", special=mutate.text(())),
    "toml": Target(seeds.tracks, _track, ".toml", _WORDS, mutate.text(_WORDS), share=0.5),
    "csv": Target(seeds.labels, lambda file: read_labels(str(file), TABLE), ".csv",
                  special=mutate.text((b"p0/1.png", b","))),
    "pairs": Target(seeds.pairs, lambda file: read_pairs(file, OFFICIAL), ".txt",
                    special=mutate.text((b"p0", b"p1\t2"))),
    "celeba": Target(seeds.celeba, lambda file: _read_list(file, ["identity"], 0), ".txt", special=mutate.text(())),
    "png": Target(lambda: seeds.pictures("PNG"), _picture, ".png", special=mutate.png, share=2),
    "jpeg": Target(lambda: seeds.pictures("JPEG"), _picture, ".jpg", (b"\xff\xd8", b"\xff\xc0", b"\xff\xda"), share=2),
    "webp": Target(lambda: seeds.pictures("WEBP"), _picture, ".webp", (b"VP8X", b"ANIM", b"ANMF", b"ALPH"), share=2),
    "pictures": Target(seeds.other_pictures, _picture, ".tif", share=2),
    "onnx": Target(seeds.graphs, _onnx, ".onnx", special=graphs.edited, share=0.3),
    "pack": Target(lambda: [graphs.packed(one) for one in seeds.graphs()], _pack, ".zip", special=None, share=0.3),
    "safetensors": Target(seeds.safetensors, _weights, ".safetensors", (b"F64", b"shape", b"[0,", b"data_offsets")),
    "checkpoint": Target(seeds.checkpoints, _weights, ".pt", _PICKLE),
    "backbone": Target(lambda: [*seeds.checkpoints(), *seeds.safetensors()],
                       lambda file: backbones.read_state(file) and None, ".pth", _PICKLE, share=0.5),
    "network": Target(seeds.networks, lambda file: read_network_pickle(file, "mine") and None, ".pkl", _PICKLE),
    "zip": Target(seeds.zips, _of_dataset("folder"), ".zip", (b"../", b"PK\1\2", b"PK\5\6"), share=2),
    "archive": Target(seeds.archives, _unpacked, ".tgz", (b"../", b"ustar"), share=0.5),
    "evidence": Target(lambda: [lzma.compress(one) for one in seeds.evidence()],
                       lambda file: _evidence(file, packed=True), ".xz", (b"\xfd7zXZ\0", b"YZ"), share=0.3),
    "tape": Target(seeds.evidence, lambda file: _evidence(file, packed=False), ".tar", (b"../", b"ustar"), share=0.3),
    "fetched": Target(lambda: [b'{"got": "00", "url": "https://localhost/x", "mark": "m"}'], _fetched, ".json",
                      special=mutate.document, share=0.3),
    "state": Target(seeds.states, _cell("state.json"), ".json", special=mutate.document),
    "rows": Target(seeds.rows, _cell("rows.json"), ".json", special=mutate.document),
    "measures": Target(seeds.measures, _cell("measures.json"), ".json", special=mutate.document),
    "run": Target(lambda: [b'{"track": "t", "origin": "", "plan": {"k": {"seed": 0}}, "ended": 1,'
                           b' "protocol": {"headline_fmr": 0.01}, "curves": [["a", "b"]], "made_from": {"x": "0"}}'],
                  _run_json, ".json", special=mutate.document, share=0.5),
    "results": Target(graphs.results, _results, ".csv", special=mutate.text((b",,", b"ok", b"decoder")), share=0.1),
    "scores": Target(seeds.scores, _scores, ".npz", _PICKLE),
    "seal": Target(lambda: [b'{"files": {"a.npy": "00", "seal.json": "11"}}'], _seal, ".json", special=mutate.document,
                   share=0.5),
}  # fmt: skip
