"""What a paper is given: tables and references that LaTeX takes, figures with their fonts, true numbers in words."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import faceleak
import pytest
from faceleak.bench.core.errors import InputError
from faceleak.bench.report.bibliography import entries_of
from faceleak.bench.report.paper import STYLES, write_paper

QUICK = Path(faceleak.__file__).resolve().parent / "results" / "quick"
LATEX = shutil.which("pdflatex")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The committed run, with one defence whose name LaTeX would stumble over."""
    folder = Path(shutil.copytree(QUICK, tmp_path / "run"))
    table = folder / "results.csv"
    table.write_text(table.read_text().replace(",biohash,", ",100%_bio&{hash}^2~$\\x#,"))
    manifest = json.loads((folder / "manifest.json").read_text()) | {"taught_alike": {"resnet": ["vgg"]}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def balanced(text: str) -> bool:
    """Whether braces and environments of LaTeX close as they open, and no special character stands alone."""
    plain = re.sub(r"(?<!\\)%.*", "", text).replace("\\\\", "")
    depth = 0
    for sign in re.findall(r"(?<!\\)[{}]", plain):
        depth += 1 if sign == "{" else -1
        if depth < 0:
            return False
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{([^}]+)\}", plain):
        if kind == "begin":
            opened.append(name)
        elif not opened or opened.pop() != name:
            return False
    rows = [line for line in plain.splitlines() if "&" in line]
    return not depth and not opened and (not rows or len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1)


def test_tables_close_and_have_a_cell_for_each_column(run: Path) -> None:
    out = write_paper(run, ["main", "attacks", "transfer"], "ieee")
    files = sorted(out.glob("*.tex"))
    assert len(files) > 5
    for file in files:
        assert balanced(file.read_text()), file.name
    tables = "".join(file.read_text() for file in files)
    assert "Learnt from the same people: judge vgg as resnet." in (out / "transfer_synthetic.tex").read_text()
    assert r"100\%\_bio\&\{hash\}\textasciicircum{}2" in tables
    assert r"\begin{table*}" in tables
    attacks = (out / "attacks_synthetic_resnet_template.tex").read_text()
    names = re.findall(r"^([\w-]+)(\\,\\textdagger)? & ", attacks, flags=re.MULTILINE)
    assert len(names) == len(set(names)) > 5, "no level of knowledge twice: there is nothing to know"
    assert ("identity-extraction", r"\,\textdagger") in names
    assert ("decoder", "") in names
    assert r"\begin{table*}" not in "".join(
        file.read_text() for file in write_paper(run, ["main", "attacks"], "springer").glob("*.tex")
    )


def test_what_was_measured_is_what_the_run_says(run: Path) -> None:
    out = write_paper(run, ["main"], "ieee")
    text = (out / "measured.tex").read_text()
    commit = json.loads((run / "env.json").read_text())["code_sha"][:12]
    for words in ("victims 140 people (840 pictures)", r"false match rate of 1~\%", "2000 resamples", "Seeds: 0.",
                  f"commit {commit}", "Synthetic faces"):  # fmt: skip
        assert words in text
    keys = re.findall(r"@\w+\{([^,]+),", (out / "methods.bib").read_text())
    assert len(keys) == len(set(keys))
    assert set(re.findall(r"\\cite\{([^}]+)\}", text)) == set(keys)


def test_references_are_those_of_the_files() -> None:
    methods = [("attacks", "nbnet"), ("defenses", "partialface"), ("attacks", "grey"), ("attacks", "nobody")]
    found = entries_of(methods)
    assert [name for _, name in found] == ["nbnet", "partialface"]
    nbnet = str(found["attacks", "nbnet"])
    assert "author = {Mai and Cao and Yuen and Jain}" in nbnet
    assert "title = {{On the Reconstruction of Face Images from Deep Face Templates}}" in nbnet
    assert "year = {2019}" in nbnet
    assert "eprint = {1703.00832}" in nbnet
    assert "Mi and others" in str(found["defenses", "partialface"])


def test_figures_hold_their_fonts(run: Path) -> None:
    out = write_paper(run, ["main"], "acm")
    figures = list((out / "figures").glob("*.pdf"))
    assert figures
    for file in figures:
        data = file.read_bytes()
        assert b"/FontFile2" in data, "TrueType, inside"
        assert b"/Type3" not in data, "which publishers refuse"
    text = (out / "paper.tex").read_text()
    assert {Path(name).name for name in re.findall(r"figures/([^}]+)\}", text)} == {file.name for file in figures}
    captions = re.findall(r"\\caption\{(.+?)\}\\label\{fig:(\w+)", text)
    assert len(captions) == len(figures)
    for words, name in captions:
        assert words.endswith(r"Data synthetic, recogniser resnet, FMR 1~\%."), name
        assert ("data sent to the server" in words) == name.endswith("_wire"), name


def test_unknown_tables_and_styles_and_empty_boards_are_said(run: Path) -> None:
    for tables, style, told in (
        (["mian"], "ieee", "No table is called 'mian'; did you mean 'main'"),
        (["main"], "elsevier", "No style is called 'elsevier'"),
        (["publication"], "ieee", "has no rows for publication; its boards: defenses, significance, attacks"),
    ):
        with pytest.raises(InputError, match=told):
            write_paper(run, tables, style)


@pytest.mark.slow
@pytest.mark.skipif(
    LATEX is None,
    reason="no LaTeX here (apt-get install texlive-publishers texlive-latex-extra texlive-fonts-recommended lmodern)",
)
@pytest.mark.parametrize("style", STYLES)
def test_it_compiles(run: Path, style: str) -> None:
    out = write_paper(run, ["main", "attacks", "transfer"], style)
    words = ["-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    for command in (["pdflatex", *words], ["bibtex", "paper"], ["pdflatex", *words], ["pdflatex", *words]):
        done = subprocess.run(command, cwd=out, capture_output=True, text=True, timeout=600, errors="replace")
        assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}"
    log = (out / "paper.log").read_text(errors="replace")
    assert "There were undefined" not in log
    assert (out / "paper.pdf").stat().st_size > 20_000
