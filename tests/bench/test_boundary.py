"""A user's errors end in one sentence."""

from __future__ import annotations

import errno
import itertools
import os
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from faceleak.bench.cli import main as cli
from faceleak.bench.core.boundary import fatal, sentence
from faceleak.bench.core.device import choose_device
from faceleak.bench.core.errors import InputError, PluginWarning, RegistryError, TrackError
from faceleak.bench.core.matching import matching
from faceleak.bench.core.registry import Registry, load_plugin
from faceleak.bench.plan.cells import Cell, cells
from faceleak.bench.plan.track import Track, load_track, with_seeds
from faceleak.bench.record.command import reproducing
from faceleak.bench.report.style import stem
from faceleak.bench.run.runner import parse_only, selected
from systems import TOY_TRACK

ROOT = Path(cli.__file__).parents[1]
CELLS = """
[[defenses]]
name = "none"
surfaces = ["template"]
[[defenses]]
name = "gaussian-noise"
label = "eps [weak], 50 %"
surfaces = ["template"]
[[attacks]]
name = "mean-face"
label = "mean*"
[[attacks]]
name = "nearest-public-face"
label = "mean 'near' face"
"""


def track_of(folder: Path, text: str = TOY_TRACK + CELLS) -> Track:
    file = folder / "my track.toml"
    file.write_text(text, encoding="utf-8")
    return load_track(str(file))


@pytest.mark.parametrize("name", ["meta", "gpu", "0", "", "cuda:99", "cpu:x", "vulkan", "hpu", "mps:7", "xpu:9"])
def test_a_device_that_is_not_there_is_one_sentence(name: str) -> None:
    with pytest.raises(InputError, match="use auto, cpu"):
        choose_device(name)


def test_devices_that_are_there() -> None:
    assert choose_device("CPU") == choose_device("cpu:0") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda")


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command says on standard error when it ends with status 2."""
    monkeypatch.setattr(sys, "argv", ["faceleak", *words])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_paths_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for place, why in (("file", "file is in the way"), ("file/below", "file is in the way"), ("n" * 300, "too long")):
        said = told(monkeypatch, capsys, "new", "attack", "my-own", "--out", str(tmp_path / place))
        assert said.startswith("faceleak: ")
        assert why in said
    assert "too long" in told(monkeypatch, capsys, "doctor", "n" * 300 + ".toml")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO, errno.ENOENT, errno.ELOOP])
def test_what_the_system_refuses_is_told(number: int) -> None:
    said = sentence(OSError(number, os.strerror(number), "/some/where"))
    assert said is not None
    assert said.startswith("/some/where: ")
    assert said.endswith(".")


def test_a_full_disk_ends_the_run_also_where_a_library_met_it() -> None:
    kind = type("SafetensorError", (Exception,), {"__module__": "safetensors_rust"})
    wrapped = kind("Error while serializing: I/O error: No space left on device (os error 28)")
    assert fatal(wrapped)
    assert "disk is full" in str(sentence(wrapped))
    assert fatal(OSError(errno.ENOSPC, "full"))
    assert not fatal(FileNotFoundError(errno.ENOENT, "gone"))
    assert sentence(ValueError("a fault of ours")) is None


@pytest.mark.parametrize(
    "text", ["import sys\nsys.exit(3)\n", "raise SystemExit\n", "import no_such_module\n", "x = (\n"]
)
def test_a_plugin_file_that_does_not_import(text: str, tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RegistryError, match="does not import"):
        load_plugin(file)
    (tmp_path / "own.txt").write_text("", encoding="utf-8")
    with pytest.raises(RegistryError, match=r"must end in \.py"):
        load_plugin(tmp_path / "own.txt")


@pytest.mark.parametrize(
    "body", ["raise RuntimeError('licence')", "import no_such_module", "raise SystemExit(1)", "x = 1"]
)
def test_another_package_s_broken_plugin_is_named_and_the_rest_lives(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"broken_{abs(hash(body))}"
    (tmp_path / f"{module}.py").write_text(body, encoding="utf-8")
    info = tmp_path / "old_plugin-0.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: old-plugin\nVersion: 0.3\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[faceleak.probe-kind]\nold = {module}:Old\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    registry: Registry[object] = Registry("thing", "bench.tracks", "faceleak.probe-kind")
    registry.register("alive")(type("Alive", (), {}))
    with pytest.warns(PluginWarning, match=r"'old' of the package old-plugin does not load"):
        assert registry.names() == ["alive"]
    with pytest.raises(RegistryError, match=r"update that package"):
        registry.get("old")


def test_labels_match_literally_first() -> None:
    labels = ["mean*", "mean 'near' face", "eps [weak]", "eps w"]
    assert matching(["mean*"], labels) == {"mean*"}
    assert matching(["m*"], labels) == {"mean*", "mean 'near' face"}
    assert matching(["eps [weak]", "eps ?"], labels) == {"eps [weak]", "eps w"}
    assert matching([""], labels) == set()


def test_only_is_either_within_a_key_and_both_across_keys(tmp_path: Path) -> None:
    listed = cells(track_of(tmp_path))

    def chosen(*words: str) -> list[Cell]:
        return selected(listed, parse_only(list(words)), "t")

    both = chosen("attack=mean*", "attack=mean 'near' face", "defense=none")
    assert {str(cell.labels()["attack"]) for cell in both} == {"mean*", "mean 'near' face"}
    assert {cell.defense.title for cell in both} == {"none"}
    assert chosen() == listed
    with pytest.raises(TrackError, match="attack=maen: no cell"):
        chosen("attack=maen", "attack=mean*")
    with pytest.raises(TrackError, match="at once"):
        chosen("attack=", "surface=template")


def test_every_printed_command_names_its_cell_and_no_other(tmp_path: Path) -> None:
    track = with_seeds(track_of(tmp_path), [3, 4])
    listed = cells(track)
    for cell in listed:
        words = shlex.split(reproducing(track.called, cell.labels(), ("--seeds", "3,4")))
        assert words[:5] == ["faceleak", "run", str(tmp_path / "my track.toml"), "--seeds", "3,4"]
        only = parse_only([word for before, word in itertools.pairwise(words) if before == "--only"])
        assert selected(listed, only, track.name) == [cell]


def test_names_that_differ_in_a_sign_keep_files_of_their_own() -> None:
    names = ["r50_v1", "r50-v1", "r50 v1", "r50/v1", "r" * 300, "r" * 301, "ä", "ö"]
    files = {stem("defenses", name) for name in names}
    assert len(files) == len(names)
    assert max(map(len, files)) < 100
    assert stem("scores", "lfw", "r50-v1") == "scores_lfw_r50-v1"


PROTOCOL = "[protocol]\n"
WRONG = {
    "fmrs 0": (PROTOCOL + "fmrs = [0.1, 0.01]", PROTOCOL + "fmrs = [0.0, 0.01]"),
    "fmrs above 1": (PROTOCOL + "fmrs = [0.1, 0.01]", PROTOCOL + "fmrs = [1.5, 0.01]"),
    "fmrs negative": (PROTOCOL + "fmrs = [0.1, 0.01]", PROTOCOL + "fmrs = [-0.1, 0.01]"),
    "fmrs nan": (PROTOCOL + "fmrs = [0.1, 0.01]", PROTOCOL + "fmrs = [nan, 0.01]"),
    "fmrs twice": (PROTOCOL + "fmrs = [0.1, 0.01]", PROTOCOL + "fmrs = [0.01, 0.01]"),
    "no seeds": ('title = "Toy"', 'title = "Toy"\nseeds = []'),
    "seed twice": ('title = "Toy"', 'title = "Toy"\nseeds = [0, 0]'),
    "seed negative": ('title = "Toy"', 'title = "Toy"\nseeds = [-1]'),
    "identities": ("victims = { identities = 30", "victims = { identities = -1"),
    "one person": ("calibration = { identities = 30", "calibration = { identities = 1"),
    "one picture": ("victims = { identities = 30, images = 6", "victims = { identities = 30, images = 1"),
    "resolution": ("resolution = 32", "resolution = 1000000"),
    "utility_loss": (PROTOCOL, PROTOCOL + "utility_loss = 7.0\n"),
    "level": (PROTOCOL, PROTOCOL + "level = 95\n"),
}


@pytest.mark.parametrize("what", WRONG)
def test_ranges_are_checked_when_the_track_is_read(what: str, tmp_path: Path) -> None:
    old, new = WRONG[what]
    assert old in TOY_TRACK
    with pytest.raises(TrackError, match=r"my track\.toml: "):
        track_of(tmp_path, (TOY_TRACK + CELLS).replace(old, new))


@pytest.mark.parametrize(
    ("plugin", "settings"),
    [("decoder", "steps = 0"), ("decoder", "steps = -5"), ("decoder", "lr = -1.0"), ("decoder", "batch = 0"),
     ("decoder", "width = 0"), ("decoder", "lr = inf"), ("decoder", "lr = nan")],
)  # fmt: skip
def test_settings_are_checked_before_a_picture_is_read(plugin: str, settings: str, tmp_path: Path) -> None:
    text = f'{TOY_TRACK}{CELLS}[[attacks]]\nname = "{plugin}"\nsettings = {{ {settings} }}\n'
    with pytest.raises(InputError, match=f"{plugin}: {settings.split()[0]} must"):
        cells(track_of(tmp_path, text))


def test_a_data_set_s_settings_are_checked_with_the_cells(tmp_path: Path) -> None:
    text = (TOY_TRACK + CELLS).replace("identities = 84 }", "identities = -4 }")
    with pytest.raises(InputError, match="identities"):
        cells(track_of(tmp_path, text))


@pytest.mark.parametrize("seeds", [[], [0, 0], [-1], [2**70]])
def test_seeds_of_the_command_line(seeds: list[int], tmp_path: Path) -> None:
    with pytest.raises(TrackError, match="--seeds"):
        with_seeds(track_of(tmp_path), seeds)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_a_track_in_another_encoding(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_bytes((TOY_TRACK + CELLS).replace("Toy", "Fälle").encode(encoding))
    if encoding == "utf-8-sig":
        assert load_track(str(tmp_path / "t.toml")).title == "Fälle"
        return
    with pytest.raises(TrackError, match="save it as UTF-8"):
        load_track(str(tmp_path / "t.toml"))


def test_nothing_needs_posix_to_be_imported() -> None:
    """Every module of the package, where ``resource``, ``fcntl`` and their like do not exist: as on Windows."""
    skipped = ("tests", "results", "__main__", ".")
    files = [
        file.relative_to(ROOT)
        for part in ("bench", "attacks", "defenses", "datasets")
        for file in (ROOT / part).rglob("*.py")
    ]
    names = [
        ".".join(("faceleak", *file.with_suffix("").parts)).removesuffix(".__init__")
        for file in files
        if file.parts[0] not in skipped
    ]
    code = (
        "import importlib, sys\n"
        "sys.modules.update(dict.fromkeys(('resource', 'fcntl', 'pwd', 'grp', 'termios')))\n"
        "import filelock\n"
        "[importlib.import_module(name) for name in sys.argv[1:]]\n"
    )
    subprocess.run([sys.executable, "-c", code, *names], check=True, timeout=300)
