"""The documents say what the code does: tables, names, links and commands are held to it."""

from __future__ import annotations

import ast
import re
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path

import pandas as pd
import pytest
import typer
from faceleak.bench.cli.main import app
from faceleak.bench.core.registry import DATASETS, MEASUREMENTS
from faceleak.bench.core.surfaces import Secret, Surface
from faceleak.bench.core.threat import DefenseKnowledge, RecognizerAccess
from faceleak.bench.measure.enrolment import _IMPOSTORS
from faceleak.bench.metrics.thresholds import REFUSE_BELOW, WARN_BELOW
from faceleak.bench.plan.track import TRACKS, Protocol
from faceleak.bench.record.flags import FLAGS, markdown
from faceleak.bench.record.metrics import Metric
from typer.testing import CliRunner

from .pages import DOCS, FRONT, PAGES, ROOT, blocks

NOTES = [*PAGES, *FRONT, ROOT / "results" / "README.md"]
MAKEFILE = (ROOT / "Makefile").read_text()


def rows_of(page: Path) -> list[list[str]]:
    """Cells of all table rows of a page; code marks are taken off."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def spoken_commands(page: Path) -> list[str]:
    """What the page tells its reader to type: lines of shell blocks, and code in running text."""
    shell = [line for one in blocks(page) if one.language == "sh" for line in one.text.splitlines()]
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return shell + re.findall(r"`((?:faceleak|make|FACELEAK_\w+=\S+) [^`]+)`", prose)


def test_flags_page_is_that_of_the_code() -> None:
    assert (DOCS / "flags.md").read_text() == markdown(), "python -m faceleak.bench.record.flags > docs/flags.md"
    for name, flag in FLAGS.items():
        assert f"## {name}: {flag.title}\n" in markdown()
        for sentence in (flag.raised_when, flag.meaning, flag.action):
            assert sentence in markdown()


def test_protocol_page_has_every_setting_with_its_default() -> None:
    told = {name: default for name, default, *_ in rows_of(DOCS / "protocol.md")[1:] if name in Protocol.model_fields}
    assert {name: ast.literal_eval(text) for name, text in told.items()} == {
        name: field.default for name, field in Protocol.model_fields.items()
    }
    text = (DOCS / "protocol.md").read_text()
    for number, words in ((REFUSE_BELOW, "fewer than {} false"), (WARN_BELOW, "fewer than {} they"),
                          (f"{_IMPOSTORS:,}", "at most {}")):  # fmt: skip
        assert words.format(number) in text


def measured() -> pd.DataFrame:
    """Metric, unit and direction of every row of the committed runs that has a number."""
    columns = ["metric", "judge", "unit", "higher_is_better", "status", "value"]
    files = sorted((ROOT / "results").glob("*/results.csv*"))
    rows = pd.concat([pd.read_csv(file, usecols=columns, dtype=str, keep_default_na=False) for file in files])
    rows["metric"] = rows["metric"].map(in_words)
    return rows


def in_words(metric: str) -> str:
    """A metric as the page calls it: a part that differs from row to row in capitals; of one attribute as of all."""
    name = metric.partition(":")[0]
    known = (
        one.name for one in declared().values() if "{" in one.name and one.name != "{property}" and one.covers(name)
    )
    return spoken(next(known, name))


def spoken(name: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda part: {"judge": "J"}.get(part[1], part[1].upper()), name)


def declared() -> dict[str, Metric]:
    """By name as the page has it."""
    every = (metric for name in MEASUREMENTS.names() for metric in MEASUREMENTS.get(name).metrics)
    return {spoken(metric.name.partition(":")[0]): metric for metric in every if metric.name != "{property}"}


def test_metrics_page_knows_every_metric_and_no_other() -> None:
    told = {row[0]: row for row in rows_of(DOCS / "metrics.md") if row[0] != "metric"}
    rows, known = measured(), declared()
    assert {*rows["metric"], *known} - set(told) == set(), "metrics without a line in docs/metrics.md"
    stated = "".join(file.read_text() for file in sorted((ROOT / "defenses").glob("*.py")))  # what defences say
    others = set(told) - {*rows["metric"], *known, "cell"}
    assert [name for name in others if f'"{name}"' not in stated] == []
    for name, metric in known.items():
        better = {"higher": "yes", "lower": "no", "": ""}[metric.better]
        unit = "the word" if name == "goal" else metric.unit
        assert told[name][2:4] == [unit, better], name
    numbers = rows[(rows["status"] == "ok") & (rows["value"] != "")]
    for name, unit, up in numbers[["metric", "unit", "higher_is_better"]].drop_duplicates().itertuples(index=False):
        better = {"True": "yes", "False": "no", "": ""}[up]
        assert (told[name][2], told[name][3]) == (unit, better), name


def test_the_picture_and_the_page_of_threat_models_name_every_choice() -> None:
    picture = ET.parse(DOCS / "threat-models.svg")
    words = " ".join(picture.getroot().itertext())
    page = (DOCS / "threat-models.md").read_text()
    for level in DefenseKnowledge:
        assert f"{level.value} {level.meaning}" in words
        assert f"| `{level.value}` |" in page
    for word in (*(s.value for s in Surface), *(f"{s.value} secret" for s in Secret)):
        assert word in words
    for access in RecognizerAccess:
        assert f"| `{access.value}` |" in page
    told = [row[0] for row in rows_of(DOCS / "threat-models.md")]
    assert [name for name in told if name in list(RecognizerAccess)] == list(RecognizerAccess), "weakest first"


def test_real_data_page_names_every_data_set() -> None:
    told = {row[0] for row in rows_of(DOCS / "real-data.md")}
    assert {name for name in DATASETS.names() if DATASETS.get(name).__module__.startswith("faceleak.")} <= told


@pytest.mark.parametrize("page", NOTES, ids=lambda page: page.stem)
def test_links_and_named_files_are_there(page: Path) -> None:
    text = page.read_text()
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / link).exists(), link
    for name in re.findall(r"`([\w-]+/[\w./-]+\.(?:py|toml|md))`", text):
        if (ROOT / name.split("/")[0]).is_dir():
            assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", NOTES, ids=lambda page: page.stem)
def test_commands_parse(page: Path) -> None:
    """Every ``faceleak`` line has a command and options that exist, every ``make`` line a target."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for line in spoken_commands(page):
        words = shlex.split(line, comments=True)
        while words and re.match(r"[A-Z_]+=", words[0]):
            words.pop(0)
        if not words:
            continue
        program, *rest = words
        if Path(program).name == "faceleak":
            assert rest[0] in commands, line
            commands[rest[0]].make_context(rest[0], rest[1:])  # raises where an option or an argument does not fit
            if rest[0] == "run" and rest[1].islower() and not rest[1].endswith(".toml"):
                assert (TRACKS / f"{rest[1]}.toml").is_file(), line
        elif program == "make":
            for word in rest:
                name, is_setting, value = word.partition("=")
                known = rf"^{name}\s+\?=" if is_setting else rf"^{name}:.*##"
                assert re.search(known, MAKEFILE, flags=re.MULTILINE), line
                mine = value.endswith(".toml")  # a track of the reader's own
                assert name != "TRACK" or mine or (TRACKS / f"{value}.toml").is_file(), line


def test_commands_marked_as_run_do_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [
        line
        for page in PAGES
        for one in blocks(page)
        if (one.language, one.about) == ("sh", "run")
        for line in one.text.splitlines()
    ]
    assert lines
    for line in lines:
        done = CliRunner().invoke(app, shlex.split(line)[1:])
        assert done.exit_code == 0, (line, done.output)
    assert (tmp_path / "my_attack.py").is_file()


def test_blocks_that_name_a_file_are_that_file() -> None:
    """A page that shows a file of the repository shows it word for word."""
    shown = [one for page in PAGES for one in blocks(page) if (ROOT / one.about).is_file() and one.about]
    assert shown
    for one in shown:
        assert one.text == (ROOT / one.about).read_text(), f"{one.page.name} shows another {one.about}"


def test_every_page_is_listed_and_every_track_is_in_the_readme() -> None:
    index = (DOCS / "README.md").read_text()
    assert [page.name for page in PAGES if page.name != "README.md" and f"({page.name})" not in index] == []
    readme = FRONT[0].read_text()
    assert [file.stem for file in sorted(TRACKS.glob("*.toml")) if f"| `{file.stem}` |" not in readme] == []
