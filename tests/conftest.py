"""Shared fixtures. Each test sees one thread and its own store, so that order and neighbours do not matter."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from faceleak.bench.core.registry import ATTACKS, DATASETS, DEFENSES, MEASUREMENTS, RECOGNIZERS, load_plugin

os.environ.setdefault("FACELEAK_SECRET_ROOT", "none")  # two stores of one test have the same secrets
os.environ.setdefault("FACELEAK_IN_PROCESS", "1")  # tests patch what attacks use; tests/redteam isolates them
TOYS = Path(__file__).parent / "toys.py"
load_plugin(TOYS)  # the stand-ins, by the way that users add theirs
for extra in filter(None, os.environ.get("FACELEAK_PLUGIN", "").split(os.pathsep)):
    load_plugin(extra)  # your own plug-in file: FACELEAK_PLUGIN=mine.py pytest tests/attacks
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all tests that only read what equal specs have made."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="session")
def data_pack() -> Path:
    """The data pack, or a visible skip."""
    place = os.environ.get("FACELEAK_DATA")
    if not place:
        pytest.skip("FACELEAK_DATA is not set: tests on real faces and recognisers are skipped")
    return Path(place)


@pytest.fixture(autouse=True)
def torch_as_it_was() -> Iterator[None]:
    """A run turns deterministic kernels on; the next test does not see that."""
    yield
    torch.set_deterministic_debug_mode("default")


@pytest.fixture
def own_registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    for one in (ATTACKS, DEFENSES, DATASETS, RECOGNIZERS, MEASUREMENTS):
        one.discover()
        monkeypatch.setattr(one, "_items", dict(one._items))
