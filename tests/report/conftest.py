"""What tests of the report share."""

from __future__ import annotations

from pathlib import Path

import faceleak
import pytest

RESULTS = Path(faceleak.__file__).resolve().parent / "results"
SOME = ("lfw-attacks", "lfw-images", "utility")  # one of each threat; real and rendered faces; whole and partial


@pytest.fixture(scope="session")
def few_boards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some committed boards, as links."""
    folder = tmp_path_factory.mktemp("results")
    for name in (*SOME, "README.md"):
        (folder / name).symlink_to(RESULTS / name)
    return folder


@pytest.fixture(scope="session")
def site(few_boards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their site, by the command; tests only read it."""
    from faceleak.bench.cli.main import app
    from typer.testing import CliRunner

    out = tmp_path_factory.mktemp("site") / "site"
    done = CliRunner().invoke(app, ["site", "--results", str(few_boards), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert f"Site: {out / 'index.html'}" in done.output.replace("\n", "")
    return out


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that read tables and words: figures are most of what a report takes."""
    monkeypatch.setattr("faceleak.bench.report.build.draw_figures", lambda *_: [])
