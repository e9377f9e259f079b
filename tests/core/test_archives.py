"""Archives and weights of others: what climbs, grows or reserves more than it holds is refused."""

from __future__ import annotations

import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from faceleak.bench.core import archives
from faceleak.bench.core.archives import climbs, unpack
from faceleak.bench.core.errors import InputError, shown
from faceleak.bench.core.json_file import read_json
from faceleak.bench.core.pickles import load_tensors
from faceleak.bench.core.weights import read_state

OUTSIDE = ("../a", "a/../../b", "/etc/x", "\\x", "C:/x", "C:x", "a\\..\\..\\b", "//host/share/x", "..", "a\0b")
INSIDE = ("a", "a/b.png", "a..b/c", "...", "a b/é.png", "a/b:c")


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_that_climb_on_any_system(name: str) -> None:
    assert climbs(name)


@pytest.mark.parametrize("name", INSIDE)
def test_names_that_do_not(name: str) -> None:
    assert not climbs(name)


def zipped(file: Path, name: str, size: int) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(size))
    return file


def taped(file: Path, name: str, size: int) -> Path:
    with tarfile.open(file, "w:gz") as tape:
        info = tarfile.TarInfo(name)
        info.size = size
        tape.addfile(info, io.BytesIO(bytes(size)))
    return file


def taped_by_xz(file: Path, name: str, size: int) -> Path:
    file.write_bytes(lzma.compress(gzip.decompress(taped(file, name, size).read_bytes())))
    return file


@pytest.mark.parametrize("pack", [zipped, taped, taped_by_xz])
def test_an_archive_that_climbs_or_grows_leaves_nothing(
    pack: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(pack)
    monkeypatch.setattr(archives, "SMALL", 20_000)
    with pytest.raises(InputError, match="outside"):
        unpack(pack(tmp_path / "a", "../out", 10), tmp_path / "in")
    with pytest.raises(InputError, match="times its size"):
        unpack(pack(tmp_path / "b", "zeros", 1 << 20), tmp_path / "in")
    assert not list((tmp_path / "in").rglob("*")) if (tmp_path / "in").exists() else True
    unpack(pack(tmp_path / "c", "a/b", 900), tmp_path / "in")
    assert (tmp_path / "in" / "a" / "b").stat().st_size == 900


def test_what_reserves_memory_before_it_is_unpacked_is_refused(tmp_path: Path) -> None:
    hungry = tmp_path / "a.zip"
    with zipfile.ZipFile(hungry, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", b"x")
    with pytest.raises(InputError, match="LZMA"):
        unpack(hungry, tmp_path / "in")
    named = tarfile.TarInfo("long")
    named.type, named.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    (tmp_path / "b.tar").write_bytes(named.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(InputError, match="a header in it is said to have 1073741824 bytes"):
        unpack(tmp_path / "b.tar", tmp_path / "in")


class Reserves:
    """Its pickle asks for a tebibyte, which torch's weights_only grants."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return bytearray, (1 << 40,)


@pytest.mark.parametrize("new", [True, False])
def test_checkpoints_that_reserve_memory_are_refused_before_torch_reads_them(new: bool, tmp_path: Path) -> None:
    file = tmp_path / "w.pt"
    torch.save({"weight": Reserves()}, file, _use_new_zipfile_serialization=new)
    with pytest.raises(InputError, match="bytearray"):
        read_state(file, "mine")


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool])
def test_checkpoints_as_torch_writes_them_are_read(new: bool, dtype: torch.dtype, tmp_path: Path) -> None:
    file = tmp_path / "w.pt"
    state = {"state_dict": {"a": torch.ones(3, 2).to(dtype), "b": torch.nn.Parameter(torch.ones(2))}, "epoch": 2**40}
    torch.save(state, file, _use_new_zipfile_serialization=new)
    assert torch.equal(read_state(file, "mine")["a"], state["state_dict"]["a"])


def test_a_storage_larger_than_the_file_is_refused() -> None:
    file = io.BytesIO()
    torch.save(torch.zeros(7), file, _use_new_zipfile_serialization=False)
    with pytest.raises((ValueError, RuntimeError), match=r"numbers|wrong byte size"):
        load_tensors(io.BytesIO(file.getvalue().replace(b"K\x07N", b"J\x00\x00\x00\x7fN")))


def test_compressed_checkpoints_are_refused(tmp_path: Path) -> None:
    whole, file = io.BytesIO(), tmp_path / "w.pt"
    torch.save({"a": torch.zeros(1000)}, whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    with pytest.raises(InputError, match="compressed"):
        read_state(file, "mine")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": "\\ud800"}', "{", "9" * 5000, "\xff"])
def test_json_that_is_none_is_a_value_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"."):
        read_json(tmp_path / "a.json")


def test_messages_move_no_cursor_and_have_an_end() -> None:
    assert shown("a\x1b[2Jb\u202ec\n") == "a\\x1b[2Jb\\u202ec\n"
    assert len(shown("x" * 10_000_000)) < 2100
    assert pickle.dumps(shown("é中")) == pickle.dumps("é中")
