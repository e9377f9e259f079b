"""The whole report: files, stability, and runs that went wrong."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from pathlib import Path

import pytest
from faceleak.bench.core.errors import FaceleakError
from faceleak.bench.record.flags import FLAGS
from faceleak.bench.report import RunFolderError, make_report

from .fixture_run import ATTACKS, CEILINGS, DEFENSES, FLOORS, Shape, build_empty_run, build_failed_run, build_run

SMALL = Shape(n_defenses=3, n_attacks=2, seeds=(0,), surfaces=("template", "wire"), victims=2)
TINY = Shape(n_defenses=2, n_attacks=1, seeds=(0,), surfaces=("template",), victims=2)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small complete run with its report."""
    folder = build_run(tmp_path_factory.mktemp("report") / "run", SMALL)
    make_report(folder)
    return folder


def test_every_figure_has_its_png_pdf_and_csv(run: Path) -> None:
    stems = {path.stem for path in (run / "figures").iterdir()}
    assert {name.split("_")[0] for name in stems} == {
        "ladder", "scatter", "matrix", "grid-attacks", "grid-defenses", "loss", "transfer", "risk",
    }  # fmt: skip
    for stem in stems:
        for ending, least in ((".png", 5000), (".pdf", 5000), (".csv", 20)):
            assert (run / "figures" / f"{stem}{ending}").stat().st_size > least


@pytest.mark.slow
def test_a_second_report_has_the_same_bytes_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = build_run(tmp_path / "run", TINY)
    make_report(folder)
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (folder / "figures" / "stale.png").write_text("from an older report")
    make_report(folder)
    second = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {path.name for path in first if first[path] != second.get(path)} == set()
    assert set(first) == set(second)


def test_the_page_names_every_attack_and_defense(run: Path) -> None:
    page = (run / "index.html").read_text()
    for name in (*ATTACKS[:2], *DEFENSES[:3], *FLOORS, *CEILINGS, "broken-attack", "refused-attack", "shape-attack"):
        assert f">{name}<" in page
    for name in FLAGS:
        assert f'id="flag-{name}"' in page
    for text in (
        "0123abc",
        "Apache-2.0",
        "faceleak run made-up --seeds 2",
        "faceleak run made-up --only broken-attack-cell",
    ):
        assert text in page


def test_the_page_escapes_what_it_prints(run: Path) -> None:
    page = (run / "index.html").read_text()
    assert "loss became &lt;NaN&gt; at step 12" in page
    assert "<NaN>" not in page
    assert "invented &amp; &lt;not&gt;" in page


def test_the_page_fetches_nothing_and_all_its_links_lead_somewhere(run: Path) -> None:
    page = (run / "index.html").read_text()
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:|//)", page)
    assert not re.search(r"<script[^>]+src|<link|@import|url\(|fetch\(|XMLHttpRequest", page)
    for link in re.findall(r'(?:src|href)="([^"#]+)"', page):
        assert (run / link).is_file(), link
    both = {"": page, "index.html": page, "cells.html": (run / "cells.html").read_text()}
    anchors = {name: set(re.findall(r'id="([^"]+)"', text)) for name, text in both.items()}
    for text in both.values():
        for name, anchor in re.findall(r'href="([^"#]*)#([^"]+)"', text):
            assert anchor in anchors[name], anchor


def test_a_run_of_failures_only(tmp_path: Path) -> None:
    page = make_report(build_failed_run(tmp_path / "run")).read_text()
    assert "RuntimeError" in page
    assert "needs white-box access" in page
    assert not list((tmp_path / "run" / "figures").iterdir())


def test_a_run_that_has_just_started(tmp_path: Path) -> None:
    page = make_report(build_empty_run(tmp_path / "run")).read_text()
    assert "No results yet" in page
    assert "running" in page


@pytest.mark.usefixtures("without_figures")
def test_run_json_alone_is_enough(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    assert "No results yet" in make_report(tmp_path).read_text()


def test_missing_and_broken_side_files_become_sentences(tmp_path: Path) -> None:
    folder = build_run(tmp_path / "run", TINY)
    (folder / "env.json").unlink()
    (folder / "manifest.json").write_text("{ broken")
    cell = next(path for path in sorted((folder / "cells").iterdir()) if path.name.startswith("nbnet-none"))
    (cell / "pictures.safetensors").write_bytes(b"not a tensor file")
    (cell / "loss.csv").write_text("nonsense\n1\n")
    (folder / "cells" / "broken-attack-cell" / "state.json").write_text("[")
    page = make_report(folder).read_text()
    for text in ("env.json is missing", "manifest.json cannot be read", "pictures.safetensors cannot be read",
                 "loss.csv cannot be read", "state.json cannot be read"):  # fmt: skip
        assert text in page


def test_without_cell_files_the_boards_still_stand(tmp_path: Path) -> None:
    folder = build_run(tmp_path / "run", TINY)
    for path in sorted((folder / "cells").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    page = make_report(folder).read_text()
    assert ">nbnet<" in page
    assert ">broken-attack<" in page


def test_not_a_run_folder(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"neither results.csv nor run.json"):
        make_report(tmp_path)
    with pytest.raises(RunFolderError, match="not a folder"):
        make_report(tmp_path / "nowhere")
    (tmp_path / "results.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RunFolderError, match=r"not a results.csv of this version"):
        make_report(tmp_path)
    assert issubclass(RunFolderError, FaceleakError)


@pytest.mark.usefixtures("without_figures")
def test_the_headline_rate_comes_from_the_protocol(tmp_path: Path) -> None:
    folder = build_run(tmp_path / "run", TINY)
    run = json.loads((folder / "run.json").read_text())
    run["protocol"]["headline_fmr"] = 0.1
    (folder / "run.json").write_text(json.dumps(run))
    assert "false match rate of 10 %" in make_report(folder).read_text()


@pytest.mark.usefixtures("without_figures")
def test_a_packed_table_gives_the_same_boards(tmp_path: Path) -> None:
    folder = build_run(tmp_path / "run", Shape(2, 1, (0,), ("template",), pictures=False, victims=2), failures=False)
    make_report(folder)
    boards = (folder / "boards" / "defenses.csv").read_bytes()
    (folder / "results.csv.gz").write_bytes(gzip.compress((folder / "results.csv").read_bytes()))
    (folder / "results.csv").unlink()
    make_report(folder)
    assert (folder / "boards" / "defenses.csv").read_bytes() == boards
    assert 'href="results.csv.gz"' in (folder / "index.html").read_text()


@pytest.mark.parametrize("name", ["index.html", "cells.html"])
def test_the_pages_allow_their_own_style_and_script_only(run: Path, name: str) -> None:
    page = (run / name).read_text()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    assert page.index(policy[0]) < page.index("<style>"), "a policy holds for what comes after it"
    assert "default-src 'none'" in html.unescape(policy[1])
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in html.unescape(policy[1])
    assert not re.search(r"<[^>]+\s(style|on\w+)=", page), "the policy would block it"
