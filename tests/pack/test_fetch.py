"""`faceleak fetch` against a server on loopback: whole, resumed, changed, wrong, missing, refused."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from faceleak.bench.cli.main import app
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.progress import Progress
from faceleak.bench.metrics.perceptual import INCEPTION, TRUNKS
from faceleak.bench.pack.download import download
from faceleak.bench.pack.fetch import Fetched, fetch
from faceleak.bench.pack.origins import ARTEFACTS, Artefact
from listening import Said
from serving import DATA, Handler, Server, serving
from typer.testing import CliRunner


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def wanted(server: Server, data: bytes | None = DATA, file: str = "a.bin", folder: str = "", **more: Any) -> Artefact:
    told = {
        "name": "thing", "what": "a test", "urls": (server.address(f"/{file}"),), "file": file, "licence": "free",
        "digest": hashlib.sha256(data).hexdigest() if data else "", "terms": "http://terms", "place": "~",
        "folder": folder,
    }  # fmt: skip
    return Artefact.model_validate(told | more)


def get(artefact: Artefact, folder: Path) -> Fetched:
    return fetch(artefact, folder, Progress())


def test_a_whole_file_is_kept_with_a_record_and_asked_for_once(server: Server, tmp_path: Path) -> None:
    got = get(wanted(server), tmp_path / "new")
    assert got.new
    assert got.path.read_bytes() == DATA
    record = json.loads((tmp_path / "new" / "thing.fetched.json").read_text())
    assert record["got"] == got.sha256 == hashlib.sha256(DATA).hexdigest()
    assert record["url"] == server.address()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.bin", "thing.fetched.json"]
    again = get(wanted(server), tmp_path / "new")
    assert not again.new
    assert again.sha256 == got.sha256
    assert len(server.seen) == 1


def test_an_interrupted_download_goes_on(server: Server, tmp_path: Path) -> None:
    server.stop_after = 4000
    with pytest.raises(InputError, match=r"4000 of 10240 bytes came.*goes on from where it stopped"):
        get(wanted(server), tmp_path)
    assert (tmp_path / "a.bin.part").stat().st_size == 4000
    server.stop_after = 0
    got = get(wanted(server), tmp_path)
    assert got.resumed == 4000
    assert got.path.read_bytes() == DATA
    assert server.seen[-1][1] == "bytes=4000-"


def test_a_part_that_was_not_asked_for_is_not_taken(server: Server, tmp_path: Path) -> None:
    server.stop_after = 4000
    with pytest.raises(InputError):
        get(wanted(server, None), tmp_path)
    server.stop_after, server.broken = 0, True
    with pytest.raises(InputError, match="other bytes came than were asked for"):
        get(wanted(server, None), tmp_path)
    assert get(wanted(server, None), tmp_path).path.read_bytes() == DATA


@pytest.mark.parametrize("why", ["changed", "no ranges", "weak mark", "another address"])
def test_bytes_of_another_version_are_never_mixed(server: Server, tmp_path: Path, why: str) -> None:
    """Without a pin, so that no digest would tell."""
    server.stop_after, server.weak = 4000, "W/" if why == "weak mark" else ""
    with pytest.raises(InputError):
        get(wanted(server, None), tmp_path)
    server.stop_after, server.ranges = 0, why != "no ranges"
    data = DATA if why == "no ranges" else DATA[::-1]
    server.files = {"/a.bin": data, "/b.bin": data}
    artefact = wanted(server, None)
    if why == "another address":
        artefact = wanted(server, None, urls=(server.address("/b.bin"),))
    got = get(artefact, tmp_path)
    assert got.resumed == 0
    assert got.path.read_bytes() == data


def test_a_part_that_was_complete_is_not_sent_again(server: Server, tmp_path: Path) -> None:
    download(server.address(), tmp_path / "a.bin.part", Progress())
    got = get(wanted(server), tmp_path)
    assert got.resumed == len(DATA)
    assert got.path.read_bytes() == DATA
    download(server.address(), tmp_path / "b.part", Progress())
    (tmp_path / "b.part").write_bytes(DATA + b"more")
    download(server.address(), tmp_path / "b.part", Progress())
    assert (tmp_path / "b.part").read_bytes() == DATA


def test_a_wrong_file_is_not_kept(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"served has sha256 .*, expected .*not kept"):
        get(wanted(server, b"something else"), tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.bin").write_bytes(b"mine")
    with pytest.raises(InputError, match="is there with sha256"):
        get(wanted(server), tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == b"mine"


def test_what_cannot_be_reached_is_said(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"answers 404 .*--url"):
        get(wanted(server, file="no.bin"), tmp_path)
    with pytest.raises(InputError, match="must begin with https://"):
        get(wanted(server, urls=("file:///etc/passwd",)), tmp_path)
    closed = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    closed.server_close()
    with pytest.raises(InputError, match="could not be read"):
        get(wanted(server, urls=(f"http://127.0.0.1:{closed.server_port}/a.bin",)), tmp_path)


def packed(kind: str, names: list[str]) -> bytes:
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(name, "content")
    else:
        with tarfile.open(fileobj=file, mode="w:gz") as tape:
            for name in names:
                info = tarfile.TarInfo(name)
                info.size = 7
                tape.addfile(info, io.BytesIO(b"content"))
    return file.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("outer", ["", "pack/"])
def test_archives_are_unpacked_without_an_outer_folder(server: Server, tmp_path: Path, kind: str, outer: str) -> None:
    data = server.files["/p"] = packed(kind, [f"{outer}det.onnx", f"{outer}sub/rec.onnx"])
    got = get(wanted(server, data, "p", "pack"), tmp_path)
    assert got.path == tmp_path / "pack"
    assert (got.path / "sub" / "rec.onnx").read_text() == "content"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pack", "thing.fetched.json"]
    again = get(wanted(server, data, "p", "pack"), tmp_path)
    assert (again.new, again.sha256) == (False, got.sha256)


# Named: archives hold the time of day, and workers that collect other names run nothing.
@pytest.mark.parametrize(
    "data", [b"no archive", packed("tar", ["../out"]), packed("zip", ["a"])[:-30]], ids=["none", "outside", "cut"]
)
def test_a_bad_archive_leaves_nothing(server: Server, tmp_path: Path, data: bytes) -> None:
    server.files["/p"] = data
    with pytest.raises(InputError, match="no sound archive"):
        get(wanted(server, data, "p", "pack"), tmp_path / "to")
    assert list(tmp_path.rglob("*")) == [tmp_path / "to"]


def test_the_command_shows_the_licence_and_takes_no_for_an_answer(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ARTEFACTS, "thing", wanted(server, None))
    call = ["fetch", "thing", "--to", str(tmp_path), "--quiet"]
    refused = CliRunner().invoke(app, call, input="n\n")
    assert refused.exit_code == 1
    assert "licence  free" in refused.output
    assert "none is known: what comes is not verified" in refused.output
    assert "Nothing was downloaded" in refused.output
    assert CliRunner().invoke(app, call, input="").exit_code == 1, "nobody there to answer"
    assert server.seen == []
    server.files["/mirror.bin"] = DATA
    done = CliRunner().invoke(app, [*call, "--yes", "--url", server.address("/mirror.bin")])
    assert done.exit_code == 0, done.output
    assert done.output.index("licence") < done.output.index("Got")
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert "Already there" in CliRunner().invoke(app, [*call, "--yes"]).output


def test_the_command_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "buffalo_l" in CliRunner().invoke(app, ["fetch"]).output
    with pytest.raises(InputError, match="did you mean 'buffalo_l'"):
        CliRunner().invoke(app, ["fetch", "bufalo_l"], catch_exceptions=False)
    for variable in ("FACELEAK_WEIGHTS", "FACELEAK_DATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    asked = CliRunner().invoke(app, ["fetch", "fid-inception"], input="n\n").output
    assert f"to       {tmp_path}/.local/share/faceleak/weights/pt_inception" in asked, "where it is looked for, too"
    with pytest.raises(InputError, match="FACELEAK_WEIGHTS, which is not set"):
        CliRunner().invoke(app, ["fetch", "fid-inception", "--to", "${FACELEAK_WEIGHTS}"], catch_exceptions=False)


def test_the_table_holds_what_the_metrics_look_for() -> None:
    files = {artefact.file for artefact in ARTEFACTS.values()}
    assert {INCEPTION, *(file for file, _ in TRUNKS.values())} <= files
    for artefact in ARTEFACTS.values():
        assert all(re.match(r"https://|http://vis-www", url) for url in artefact.urls)
        assert artefact.digest, "all that is in the table today can be verified"
        assert artefact.licence
        assert artefact.terms


def test_the_next_address_is_asked_where_one_fails(server: Server, tmp_path: Path) -> None:
    server.files |= {"/wrong.bin": b"other", "/mirror.bin": DATA}
    urls = tuple(map(server.address, ("/gone.bin", "/wrong.bin", "/mirror.bin")))
    said = Said()
    got = fetch(wanted(server, urls=urls), tmp_path, said)
    assert got.path.read_bytes() == DATA
    assert [path for path, _ in server.seen] == ["/gone.bin", "/wrong.bin", "/mirror.bin"]
    assert "answers 404" in said.lines[0]
    assert "Trying the next address" in said.lines[1]
    record = json.loads((tmp_path / "thing.fetched.json").read_text())
    assert (record["url"], record["verified"]) == (urls[2], True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "thing.fetched.json"]


def test_all_addresses_are_named_with_their_reasons_and_what_began_is_kept(server: Server, tmp_path: Path) -> None:
    server.stop_after = 4000
    urls = (server.address(), server.address("/gone.bin"))
    with pytest.raises(InputError, match=r"(?s)none of its 2 addresses.*1\. .*4000 of 10240.*2\. .*answers 404"):
        get(wanted(server, urls=urls), tmp_path)
    server.stop_after = 0
    assert get(wanted(server, urls=urls), tmp_path).resumed == 4000


def test_a_longer_digest_is_a_sha384_and_none_is_said_to_be_unverified(server: Server, tmp_path: Path) -> None:
    right = hashlib.sha384(DATA).hexdigest()
    with pytest.raises(InputError, match=f"served has sha384 {right}, expected "):
        get(wanted(server, digest=right[::-1]), tmp_path)
    assert get(wanted(server, digest=right), tmp_path / "right").new
    assert get(wanted(server, None), tmp_path / "none").new
    assert json.loads((tmp_path / "none" / "thing.fetched.json").read_text())["verified"] is False


def test_an_archive_that_the_user_brought_is_unpacked(server: Server, tmp_path: Path) -> None:
    data = packed("zip", ["pack/det.onnx"])
    (tmp_path / "p").write_bytes(data)
    got = get(wanted(server, data, "p", "pack"), tmp_path)
    assert (got.path / "det.onnx").read_text() == "content"
    assert (tmp_path / "p").read_bytes() == data, "it is the user's"
    assert server.seen == []
    (tmp_path / "other").write_bytes(data)
    with pytest.raises(InputError, match="is there with sha256"):
        get(wanted(server, b"another", "other", "folder"), tmp_path)
