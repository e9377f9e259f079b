"""Names, plug-in files and settings: what is unknown or taken is said in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from faceleak.bench.core.errors import InputError, RegistryError
from faceleak.bench.core.plugin import make_settings
from faceleak.bench.core.registry import ATTACKS, DEFENSES, Registry, load_plugin


def test_built_in_plugins_are_found_without_a_list() -> None:
    assert {"grey", "decoder", "decoder-id", "recovery-unet", "identity-extraction"} <= set(ATTACKS.names())
    assert {"none", "gaussian-noise", "laplace-noise", "biohash", "random-mask", "pixelate"} <= set(DEFENSES.names())
    assert ATTACKS.names("decoder*") == ["decoder", "decoder-id"]


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(RegistryError, match="did you mean 'decoder'"):
        ATTACKS.get("decodr")


class _First:
    name = ""


class _Second:
    name = ""


def test_a_second_registration_is_an_error() -> None:
    registry: Registry[object] = Registry("thing", "attacks", "faceleak.things")
    registry.register("a")(_First)
    with pytest.raises(RegistryError, match=r"already registered by .*_First; .*_Second needs another name"):
        registry.register("a")(_Second)


def test_plugin_file_errors_name_the_file_and_the_reason(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="does not exist"):
        load_plugin(tmp_path / "absent.py")
    broken = tmp_path / "broken.py"
    broken.write_text("import a_module_that_is_not_there")
    with pytest.raises(RegistryError, match=r"broken\.py does not import: ModuleNotFoundError"):
        load_plugin(broken)


@dataclass(frozen=True)
class _Settings:
    steps: int = 3
    rate: float = 0.1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"step": 3}, "no setting 'step'; did you mean 'steps'"),
        ({"steps": "many"}, "setting steps = 'many'"),
        ({"rate": None}, "setting rate = None"),
    ],
)
def test_settings_are_strict(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_settings(_Settings, values, "x")


def test_settings_take_what_fits() -> None:
    assert make_settings(_Settings, {"steps": 5}, "x") == _Settings(steps=5)
