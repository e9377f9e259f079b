"""A hash of code changes with every file that a class reaches by import, and with no other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from edited import edit
from faceleak.bench.core import code
from faceleak.bench.core.code import code_of, files_of
from faceleak.bench.core.registry import ATTACKS, DATASETS, DEFENSES, RECOGNIZERS, load_plugin
from faceleak.bench.plan.track import load_track
from faceleak.bench.run import cell

ROOT = Path(code.__file__).resolve().parents[2]


def names(*roots: object) -> set[str]:
    return {file.relative_to(ROOT).as_posix() for file in files_of(*roots)}  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    code._hash_of.cache_clear()
    yield
    code._hash_of.cache_clear()


def test_each_file_that_an_import_runs_counts_and_no_other_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference is the interpreter itself: what it has loaded after the attack's module was imported alone."""
    script = "import sys, faceleak.attacks.nbnet; print(*(m.__file__ for n, m in sys.modules.items() if n[:9] == "
    script += "'faceleak.' and m.__file__), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {Path(line).resolve() for line in done.stdout.split()}
    attack = ATTACKS.get("nbnet")
    assert ROOT / "bench/core/nets/nbnet.py" in loaded
    assert loaded - {ROOT / "_version.py", ROOT / "_lazy.py"} <= set(files_of(attack))  # these are the front door's
    before, files = code_of(attack), set(files_of(attack))
    for file in sorted(ROOT.glob("*/**/*.py")):
        if file.relative_to(ROOT).parts[0] not in ("attacks", "bench", "defenses", "datasets"):
            continue
        with monkeypatch.context() as patch:
            edit(patch, file)
            assert (code_of(attack) != before) == (file in files), file


def test_what_decides_numbers_is_in_every_cell() -> None:
    reached = names(cell)
    for file in (
        "bench/plan/cells.py", "bench/run/cell.py", "bench/record/results.py", "bench/measure/case.py",
        "bench/prepare/session.py", "bench/metrics/thresholds.py", "bench/prepare/embeddings.py", "bench/core/faces.py",
        "datasets/splits.py", "defenses/composition.py", "defenses/base.py", "attacks/base.py",
    ):  # fmt: skip
        assert file in reached, file
    assert "bench/recognizers/preprocess.py" in names(RECOGNIZERS.get("onnx"))
    assert "attacks/regenerator.py" in names(ATTACKS.get("identity-extraction")) | names(ATTACKS.get("template-map"))


def test_a_network_of_one_defense_leaves_nothing_to_do_on_quick() -> None:
    track = load_track("quick")
    used = [cell, DATASETS.get(track.dataset.name), *(RECOGNIZERS.get(r.type) for r in track.recognizers.values())]
    used += [DEFENSES.get(str(entry.name)) for entry in track.defenses]
    used += [ATTACKS.get(entry.name) for entry in track.attacks if entry.name != "standard-ensemble"]
    assert "bench/core/nets/camera.py" in names(DEFENSES.get("optics"))
    assert "bench/core/nets/camera.py" not in names(*used)


def test_helpers_of_somebody_elses_plugin_count(tmp_path: Path, own_registries: None) -> None:
    (tmp_path / "my_plugin_one.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "from faceleak.attacks.base import Attack\nfrom faceleak.bench.core.registry import ATTACKS, register_attack\n"
        "if TYPE_CHECKING:\n    import only_for_types\n"
        "@register_attack('one')\nclass One(ATTACKS.get('decoder-id')):\n"
        "    def _recover(self, *args):\n        import my_lazy_helper\n        from my_helpers import near\n"
    )
    (tmp_path / "my_helpers").mkdir()
    helpers = [tmp_path / "my_lazy_helper.py", tmp_path / "my_helpers/__init__.py", tmp_path / "my_helpers/near.py"]
    for file in (*helpers, tmp_path / "only_for_types.py", tmp_path / "unrelated.py"):
        file.write_text("value = 1\n")
    load_plugin(tmp_path / "my_plugin_one.py")
    found = set(files_of(ATTACKS.get("one")))
    assert {file for file in found if file.is_relative_to(tmp_path)} == {*helpers, tmp_path / "my_plugin_one.py"}
    assert ROOT / "attacks/decoder_id.py" in found, "a base class that was looked up by name"


def test_a_class_without_a_file_has_its_own_text_or_bytecode() -> None:
    def typed(body: str) -> type:
        space: dict[str, object] = {"__name__": "nowhere"}
        exec(f"class Typed:\n    def run(self):\n        return {body}\n", space)  # as a prompt does
        return space["Typed"]  # type: ignore[return-value]

    assert code_of(typed("1")) == code_of(typed("1"))
    assert code_of(typed("1")) != code_of(typed("2"))
