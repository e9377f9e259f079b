"""What is installed is what is here."""

from __future__ import annotations

import ast
import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import faceleak
import pytest
from faceleak.bench.core.extras import EXTRAS, MissingExtra, need

ROOT = Path(faceleak.__file__).resolve().parent


def test_setup_cfg_lists_every_sub_package() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    skipped = {"tests", "results", "build", "dist", ".lint"}
    folders = {
        ".".join(("faceleak", *file.parent.relative_to(ROOT).parts))
        for file in ROOT.rglob("__init__.py")
        if not skipped & set(file.relative_to(ROOT).parts) and not file.relative_to(ROOT).parts[0].startswith(".venv")
    }
    assert listed == folders


def test_no_file_is_over_300_lines() -> None:
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "*.py"], capture_output=True, text=True
    ).stdout.split()
    assert [name for name in tracked if len((ROOT / name).read_text().splitlines()) > 300] == []


def test_the_pythons_that_are_stated_are_those_that_the_code_is_written_for() -> None:
    """Classifiers, the least version and ruff agree; no file has syntax newer than the least."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    stated = [line.rpartition(" ")[2] for line in config["metadata"]["classifiers"].split("\n") if " :: 3." in line]
    assert stated == [f"3.{minor}" for minor in range(10, 14)]
    assert config["options"]["python_requires"] == f">={stated[0]}"
    assert 'target-version = "py310"' in (ROOT / "ruff.toml").read_text()
    for folder in ("attacks", "bench", "datasets", "defenses", "tests"):
        for file in (ROOT / folder).rglob("*.py"):
            ast.parse(file.read_text(), filename=str(file), feature_version=(3, 10))


@pytest.mark.slow
def test_a_wheel_works_from_another_directory(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    target = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    environment = os.environ | {"PYTHONPATH": str(target)}
    code = "import faceleak, faceleak.bench.cli.main as c; print(faceleak.__file__); c.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "list", "tracks"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert str(target) in done.stdout
    assert "quick" in done.stdout


def test_what_only_some_need_is_an_extra_and_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = {name: text.split() for name, text in config["options.extras_require"].items()}
    everybody = re.findall(r"^([\w-]+)", config["options"]["install_requires"].strip(), re.MULTILINE)
    for module, (package, extra) in EXTRAS.items():
        assert package not in everybody
        assert any(line.startswith(package) for line in extras[extra])
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(MissingExtra, match=rf"need the package {package}, .*pip install 'faceleak\[{extra}\]'"):
            need(module, "These")
    assert extras["all"] == ["faceleak[onnx,timm,perceptual,insightface]"]
    assert "faceleak[all]" in extras["dev"]


def test_no_module_imports_an_extra_by_itself() -> None:
    """Without the package the commands must start, and say what is missing where it is used."""
    for folder in ("attacks", "bench", "datasets", "defenses"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
                assert not {name.split(".")[0] for name in names} & set(EXTRAS), f"{file}: use core/extras.py"


def test_the_version_is_one() -> None:
    version = re.search(r'"(.+)"', (ROOT / "_version.py").read_text())[1]
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_file_that_is_no_python_is_in_the_wheel_or_belongs_outside() -> None:
    """Templates, styles, tracks: what a package reads beside its modules is named in setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    told = {name: [one.strip() for one in text.split(",")] for name, text in config["options.package_data"].items()}
    folders = ["attacks", "bench", "datasets", "defenses"]
    tracked = subprocess.run(["git", "-C", str(ROOT), "ls-files", *folders], capture_output=True, text=True, check=True)
    others = [Path(name) for name in tracked.stdout.split("\n") if name and not name.endswith(".py")]
    packages = {Path(*name.split(".")[1:]): patterns for name, patterns in told.items()}
    lost = [
        file for file in others
        if not any(file.is_relative_to(home) and file.relative_to(home).match(pattern)
                   for home, patterns in packages.items() for pattern in patterns)
    ]  # fmt: skip
    assert len(others) > 20
    assert lost == []


def test_the_image_is_built_from_what_is_here() -> None:
    """No daemon is asked: each step's words are shell, what it copies is there, its program is the wheel's command."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    steps = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    assert "conda" not in "".join(words for _, words in steps)
    for word, rest in steps:
        if word == "RUN":
            subprocess.run(["bash", "-n"], input=rest, text=True, check=True)
        elif word == "COPY" and not rest.startswith("--from"):
            assert (ROOT / rest.split()[0]).exists(), rest
        elif word == "FROM":
            assert re.match(r"python:3\.1[0-3]-slim", rest), "one of the Pythons that are stated"
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    program = config["options.entry_points"]["console_scripts"].split("=")[0].strip()
    assert f'ENTRYPOINT ["{program}"]' in text
    pins = (ROOT / "constraints.txt").read_text()
    assert len(re.findall(r"^torch(?:vision)?==\S+$", pins, flags=re.MULTILINE)) == 2, "what the image asks for"


def test_the_changelog_begins_with_what_a_user_wants_to_know() -> None:
    newest = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1]
    assert newest.split("\n### ")[1].startswith("In short\n")
    assert "\n### When you come from " in newest
