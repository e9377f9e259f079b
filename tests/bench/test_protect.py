"""``faceleak protect`` on a folder of toy pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from faceleak.bench.cli.main import app
from faceleak.bench.core.errors import FaceleakError
from PIL import Image
from safetensors.torch import load_file
from systems import TOY_TRACK, faces
from typer.testing import CliRunner

LOCK = '''
import torch
from faceleak.bench.core.registry import register_defense
from faceleak.bench.core.surfaces import Goal, Secret, Surface
from faceleak.defenses.base import Defense

@register_defense("shift-lock")
class ShiftLock(Defense):
    """Adds a secret shade."""

    protects, goal, secrets = Surface.IMAGE, Goal.LOCK, frozenset({Secret.SAMPLE})
    claims = "A test."

    def publish(self, images, secret):
        return (images + self.make_key(images, secret)[:, :, None, None]) % 1

    def make_key(self, images, secret):
        return secret.sample.uniform(secret.ids, (1,)).expand(-1, 3)

    def recover(self, published, key):
        return (published - key[:, :, None, None]) % 1
'''


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder of pictures with metadata, one of them broken, one not square, and a track."""
    text = TOY_TRACK.replace("[splits]", "[splits]\ntrain = { identities = 10, images = 6 }")
    text = text.replace("identities = 84", "identities = 94").replace("pictures = 2", 'protectors = ["b"]')
    text += '[[defenses]]\nname = "tip-im"\nlabel = "weak"\nsettings = { steps = 2, targets = 2, epsilon = 0.02 }\n'
    (tmp_path / "t.toml").write_text(text + '[[attacks]]\nname = "as-is"\n')
    (tmp_path / "in/more").mkdir(parents=True)
    images = (faces()["victims"].images(torch.arange(3)) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    for name, image in zip(("a.png", "b.png", "more/c.png"), images):
        Image.fromarray(image).save(tmp_path / "in" / name, exif=exif)
    return tmp_path


def call(place: Path, *words: str) -> tuple[int, str]:
    names = ["--track", str(place / "t.toml"), "--store", str(place / "store"), "--in", str(place / "in"), "--quiet"]
    done = CliRunner().invoke(app, ["protect", *names, *words])
    return done.exit_code, done.output


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


def test_a_folder_is_protected_and_the_originals_stay(place: Path) -> None:
    before = {path: path.read_bytes() for path in sorted((place / "in").rglob("*.png"))}
    code, output = call(place, "--defense", "weak", "--out", str(place / "out"))
    assert (code, output.startswith("3 protected, 0 were there, 0 left out")) == (0, True), output
    assert before == {path: path.read_bytes() for path in sorted((place / "in").rglob("*.png"))}
    for name in ("a.png", "b.png", "more/c.png"):
        change = pixels(place / "out" / name) - pixels(place / "in" / name)
        assert 0 < abs(change).max() <= 6  # 0.02 of 255
        assert not Image.open(place / "out" / name).getexif(), "metadata stays behind"


def test_what_is_there_stays_and_bad_pictures_are_named(place: Path) -> None:
    (place / "in/broken.jpg").write_bytes(b"no picture")
    Image.new("RGB", (20, 30)).save(place / "in/wide.png")
    (place / "out").mkdir()
    (place / "out/a.png").write_bytes(b"mine")
    code, output = call(place, "--defense", "weak", "--out", str(place / "out"))
    assert code == 1
    assert "2 protected, 1 were there, 2 left out" in output
    assert "broken.jpg" in output
    assert "20x30, not square" in output
    assert (place / "out/a.png").read_bytes() == b"mine"


def test_settings_of_a_registered_defense(place: Path) -> None:
    words = ("--defense", "published-pixelate", "--set", "blocks=2", "--out", str(place / "out"))
    assert call(place, *words)[0] == 0
    assert len(np.unique(pixels(place / "out/a.png").reshape(-1, 3), axis=0)) <= 4


def test_a_reversible_defense_hands_out_keys(place: Path) -> None:
    (place / "lock.py").write_text(LOCK)
    words = ("--defense", "shift-lock", "--plugin", str(place / "lock.py"), "--keys", str(place / "keys"))
    assert call(place, *words, "--out", str(place / "out"))[0] == 0
    assert call(place, *words, "--out", str(place / "again"))[0] == 0
    key = load_file(place / "keys/more/c.safetensors")["key"].numpy()
    back = (pixels(place / "again/more/c.png") / 255 - key[0]) % 1
    original = pixels(place / "in/more/c.png") / 255
    assert np.median(abs(back - original)) < 1 / 255
    assert (pixels(place / "out/a.png") != pixels(place / "again/a.png")).any(), "two calls never share secrets"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--defense", "weak", "--out", "{}/in/out"), "overlap"),
        (("--defense", "weak", "--out", "{}/out", "--keys", "{}/k"), "not reversible"),
        (("--defense", "biohash", "--out", "{}/out"), "does not change published pictures"),
        (("--defense", "tip-im", "--set", "steps", "--out", "{}/out"), "expected key=value"),
        (("--defense", "tip-imm", "--out", "{}/out"), "did you mean 'tip-im'"),
    ],
)
def test_bad_input_is_one_clear_sentence(place: Path, words: tuple[str, ...], says: str) -> None:
    error = refused(place, place / "in", *(word.format(place) for word in words))
    assert says in error


def test_no_pictures(place: Path) -> None:
    (place / "empty").mkdir()
    assert "holds no picture" in refused(place, place / "empty", "--defense", "weak", "--out", str(place / "out"))


def refused(place: Path, source: Path, *words: str) -> str:
    """What the command says when it stops."""
    names = ["--track", str(place / "t.toml"), "--store", str(place / "store"), "--in", str(source), "--quiet"]
    error = CliRunner().invoke(app, ["protect", *names, *words]).exception
    assert isinstance(error, FaceleakError), error
    return str(error)
