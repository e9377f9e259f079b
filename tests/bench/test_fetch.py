"""`faceleak fetch` against a server on loopback: whole, resumed, changed, wrong, missing, refused."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from faceleak.bench.cli import fetch as fetch_module
from faceleak.bench.cli.downloads import ARTEFACTS, Artefact
from faceleak.bench.cli.fetch import fetch
from faceleak.bench.cli.main import app
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.progress import Progress
from faceleak.bench.metrics.perceptual import INCEPTION, TRUNKS
from typer.testing import CliRunner

DATA = bytes(range(256)) * 40


class Server(ThreadingHTTPServer):
    """Serves ``files``; sends at most ``stop_after`` bytes of a body; knows ranges unless told otherwise."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/a.bin": DATA}
        self.stop_after, self.ranges, self.weak, self.broken = 0, True, "", False
        self.seen: list[tuple[str, str | None]] = []

    def address(self, path: str = "/a.bin") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.seen.append((self.path, wanted))
        data = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        mark = f'{self.server.weak}"{hashlib.sha256(data).hexdigest()[:8]}"'
        start = 0
        if wanted and self.server.broken:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes 7-{len(data) - 1}/{len(data)}")
            self.end_headers()
            return
        if wanted and self.server.ranges and self.headers.get("If-Range") == mark:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("ETag", mark)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        self.wfile.write(body[: self.server.stop_after] if self.server.stop_after else body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def wanted(server: Server, data: bytes | None = DATA, file: str = "a.bin", folder: str = "") -> Artefact:
    sha = hashlib.sha256(data).hexdigest() if data else ""
    return Artefact("thing", "a test", server.address(f"/{file}"), file, sha, "free", "http://terms", "~", folder)


def get(artefact: Artefact, folder: Path) -> fetch_module.Fetched:
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
        artefact = replace(artefact, url=server.address("/b.bin"))
    got = get(artefact, tmp_path)
    assert got.resumed == 0
    assert got.path.read_bytes() == data


def test_a_part_that_was_complete_is_not_sent_again(server: Server, tmp_path: Path) -> None:
    fetch_module.download(server.address(), tmp_path / "a.bin.part", Progress())
    got = get(wanted(server), tmp_path)
    assert got.resumed == len(DATA)
    assert got.path.read_bytes() == DATA
    fetch_module.download(server.address(), tmp_path / "b.part", Progress())
    (tmp_path / "b.part").write_bytes(DATA + b"more")
    fetch_module.download(server.address(), tmp_path / "b.part", Progress())
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
        get(replace(wanted(server), url="file:///etc/passwd"), tmp_path)
    closed = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    closed.server_close()
    with pytest.raises(InputError, match="could not be read"):
        get(replace(wanted(server), url=f"http://127.0.0.1:{closed.server_port}/a.bin"), tmp_path)


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
    assert "not pinned" in refused.output
    assert "Nothing was downloaded" in refused.output
    assert CliRunner().invoke(app, call, input="").exit_code == 1, "nobody there to answer"
    assert server.seen == []
    server.files["/mirror.bin"] = DATA
    done = CliRunner().invoke(app, [*call, "--yes", "--url", server.address("/mirror.bin")])
    assert done.exit_code == 0, done.output
    assert done.output.index("licence") < done.output.index("Got")
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert "Already there" in CliRunner().invoke(app, [*call, "--yes"]).output


def test_the_command_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "buffalo_l" in CliRunner().invoke(app, ["fetch"]).output
    with pytest.raises(InputError, match="did you mean 'buffalo_l'"):
        CliRunner().invoke(app, ["fetch", "bufalo_l"], catch_exceptions=False)
    monkeypatch.delenv("FACELEAK_WEIGHTS", raising=False)
    with pytest.raises(InputError, match=r"FACELEAK_WEIGHTS, which is not set.*--to"):
        CliRunner().invoke(app, ["fetch", "fid-inception"], catch_exceptions=False)


def test_the_table_holds_what_the_metrics_look_for() -> None:
    files = {artefact.file for artefact in ARTEFACTS.values()}
    assert {INCEPTION, *(file for file, _ in TRUNKS.values())} <= files
    for artefact in ARTEFACTS.values():
        assert artefact.url.startswith("https://")
        assert len(artefact.sha256) in (8, 64), "torch's file names end in eight digits"
        int(artefact.sha256, 16)
        assert artefact.licence
        assert artefact.terms
