"""What ``faceleak`` has: the list, where it comes from, and what it costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import faceleak
import faceleak.metrics
import pandas as pd
import pytest
from faceleak.bench.cli.scaffold import KINDS
from faceleak.bench.core.code import files_of

ROOT = Path(faceleak.__file__).resolve().parent
PROMISED = """
Anatomy Attack AttackContext Attributes Batch BudgetError BuildContext Case ContractError DataError DataSettings
Defense DefenseKnowledge FaceDataset FaceSet FaceleakError Fidelity FitContext Goal InputError Leak Leaked LoadContext
Measurement Metric NoGradientError NotApplicable Progress Recognizer RecognizerAccess Recovery RegistryError Rng Role
Rules Secret SecretDraw SecretSource Surface System Target ThreatModel ThreatModelError Track TrackError TrainLog
TrainSettings attack benchmark check_images check_vectors expand_path face_set flatten_leak leak_cat leak_length
leak_map leak_shape leak_take leak_to load_faces load_plugin load_results load_track make_report metrics protect
distributed
recognizer register_attack register_dataset register_defense register_measurement register_recognizer resize score train
__version__
"""


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_names_are_those_that_were_promised_and_each_is_there() -> None:
    """A name that goes away breaks somebody's plug-in: take it out of the list above knowingly."""
    assert sorted(faceleak.__all__) == sorted(PROMISED.split())
    for module in (faceleak, faceleak.metrics):
        assert set(module.__all__) <= set(dir(module))
        for name in module.__all__:
            assert getattr(module, name) is not None


@pytest.mark.parametrize("file", ["__init__.py", "metrics.py"])
def test_type_checkers_see_the_same_names(file: str) -> None:
    (block,) = (
        node for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, ast.If)
    )  # if TYPE_CHECKING
    seen = {}
    for line in block.body:
        assert isinstance(line, ast.ImportFrom)
        for alias in line.names:
            place = f"{line.module}:{alias.name}" if line.module else alias.name
            assert alias.asname not in seen
            seen[alias.asname] = place
    module = faceleak if file == "__init__.py" else faceleak.metrics
    assert set(seen) == set(module.HOMES) == set(module.__all__) - {"__version__"}
    for public, place in seen.items():
        inner, _, name = place.partition(":")
        home = sys.modules.get(f"faceleak.{inner}") or __import__(f"faceleak.{inner}", fromlist=["_"])
        assert getattr(module, public) is (getattr(home, name) if name else home), public


def test_an_unknown_name_is_an_attribute_error_that_names_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"faceleak has no 'Recogniser'; did you mean 'Recognizer'\?"):
        faceleak.Recogniser  # noqa: B018
    with pytest.raises(AttributeError, match=r"faceleak.metrics has no 'sar_typ2'; did you mean 'sar_type2'\?"):
        faceleak.metrics.sar_typ2  # noqa: B018
    with pytest.raises(ImportError):
        from faceleak import xyzzy  # noqa: F401
    assert not hasattr(faceleak, "__path_of_nobody__")


def test_the_import_takes_no_torch_and_no_time() -> None:
    """The least of two, less numpy's own, so that a busy machine does not decide."""
    code = (
        "import sys, time; t = time.perf_counter(); import faceleak; dir(faceleak); faceleak.metrics.wilson(1, 2); "
        "print(time.perf_counter() - t, *(m for m in ('torch', 'pandas', 'matplotlib') if m in sys.modules))"
    )
    bare = "import sys, time; t = time.perf_counter(); import numpy; print(time.perf_counter() - t)"
    words = [python(code).split() for _ in range(2)]
    assert [one[1:] for one in words] == [[], []]
    numpy = min(float(python(bare)) for _ in range(2))
    assert min(float(one[0]) for one in words) - numpy < 0.2


def test_listing_and_report_take_no_torch(tmp_path: Path) -> None:
    """On what a run of one attack would leave, by the commands."""
    for name in ("run.json", "env.json", "manifest.json"):
        (tmp_path / name).write_bytes((ROOT / "results" / "quick" / name).read_bytes())
    rows = pd.read_csv(ROOT / "results" / "quick" / "results.csv", dtype=str, keep_default_na=False)
    some = rows["attack"].isin(["", "mean-face"]) & (rows["defense"] == "none")
    rows[some & rows["surface"].isin(["", "template"])].to_csv(tmp_path / "results.csv", index=False)
    code = (
        "import sys; from matplotlib.figure import Figure; from faceleak.bench.cli.main import app; "
        "Figure.savefig = lambda self, file, **words: open(file, 'wb').close(); "  # drawn, not printed: seconds
        "[app(['list', kind], standalone_mode=False) "
        "for kind in ('attacks', 'defenses', 'datasets', 'recognizers', 'tracks')]; "
        f"app(['report', {str(tmp_path)!r}], standalone_mode=False); "
        f"import faceleak; faceleak.load_results({str(tmp_path)!r}, 'defenses'); "
        "print('torch' in sys.modules)"
    )
    lines = python(code).splitlines()
    assert lines[-1] == "False"
    assert any(line.startswith("decoder-id ") for line in lines)
    assert (tmp_path / "index.html").is_file()


TEXTS = [
    ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "tests" / "fixtures" / "example-plugins").rglob("*.py")),
]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [*(file.read_text() for file in TEXTS), *(template for template, _ in KINDS.values())],
    ids=[*(file.name for file in TEXTS), *KINDS],
)
def test_what_others_copy_imports_the_package_and_nothing_deeper(text: str) -> None:
    imported = re.findall(r"^\s*(?:from|import) (faceleak[\w.]*)", text, flags=re.MULTILINE)
    assert set(imported) <= {"faceleak", "faceleak.metrics"}
    for name in re.findall(r"\bfaceleak\.(?!metrics\b)([A-Za-z_]\w*)(?=\(|`)", text):
        assert name in faceleak.__all__ or name in ("attacks", "defenses", "datasets", "recognizers"), name


def test_the_key_of_a_plug_in_follows_what_its_names_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code keys look through the front door: ``from faceleak import Attack`` is an import of ``attacks/base.py``."""
    monkeypatch.syspath_prepend(ROOT / "tests" / "fixtures" / "example-plugins")
    from faceleak_example.attack import WeightedFaces
    from faceleak_example.dataset import NumpyFile

    reached = {file.relative_to(ROOT).as_posix() for file in files_of(WeightedFaces)}
    assert {"attacks/base.py", "bench/core/recovery.py", "bench/core/threat.py"} <= reached
    assert not [file for file in reached if file.startswith("bench/front/")]
    assert ROOT / "bench" / "core" / "paths.py" in files_of(NumpyFile), "under another name there"
    assert ROOT / "bench" / "metrics" / "quality.py" in files_of(faceleak.metrics)
