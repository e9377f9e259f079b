"""What is read from the source of plug-ins is what importing them says."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from faceleak.bench.cli import catalogue as module
from faceleak.bench.cli import listing
from faceleak.bench.cli.catalogue import Unreadable, catalogue
from faceleak.bench.core.errors import PluginWarning
from faceleak.bench.core.registry import ATTACKS, DATASETS, DEFENSES, RECOGNIZERS, Registry

SAID = module._SAID - {"name"}


@pytest.mark.parametrize("registry", [ATTACKS, DEFENSES, DATASETS, RECOGNIZERS], ids=lambda one: one.kind)
def test_source_and_registry_agree(registry: Registry[object]) -> None:
    read = catalogue(registry.package.partition(".")[2])
    built_in = {name for name in registry.names() if registry.get(name).__module__.startswith("faceleak.")}
    assert set(read) == built_in
    for name in sorted(built_in):
        for field in SAID:
            assert getattr(read[name], field, None) == getattr(registry.get(name), field, None), (name, field)
        assert inspect.getdoc(read[name]) == inspect.getdoc(registry.get(name))


def test_loaded_plug_ins_are_listed_too() -> None:
    lines = listing.listing("recognizers").splitlines()
    assert any(line.startswith("toy-a ") and line.endswith("The attacked one.") for line in lines)
    assert any(line.startswith("small-resnet ") for line in lines)


@pytest.mark.parametrize(
    "source",
    [
        "@register_attack('a' + 'b')\nclass A:\n    pass\n",
        "class A:\n    surfaces = computed()\n",
        "class A:\n    pass\nregister_attack('a')(A)\n",
    ],
)
def test_what_has_to_be_run_to_be_known_is_imported(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "attacks").mkdir()
    (tmp_path / "attacks" / "a.py").write_text(source)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    with pytest.raises(Unreadable):
        catalogue("attacks")
    assert "decoder-id" in listing.listing("attacks")


def test_a_name_that_is_taken_is_left_out_and_told_by_the_listing_too(
    own_registries: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Point:
        name, value, dist = "decoder", "mine:Mine", None

        def load(self) -> type:
            return type("Mine", (), {})

    monkeypatch.setattr("faceleak.bench.core.registry.entry_points", lambda group: [Point()])
    with pytest.warns(PluginWarning, match="'decoder' is already registered"):
        assert "decoder" in listing.listing("attacks")
