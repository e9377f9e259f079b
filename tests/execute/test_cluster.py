"""Ray on two nodes of which one dies in the middle: the board of one process."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.progress import Progress
from faceleak.bench.execute.cluster import knock
from faceleak.bench.plan.track import load_track
from faceleak.bench.run.runner import RunOptions, run_track
from faceleak.bench.store.recipe import Recipe
from faceleak.bench.store.remote import RemoteStore
from running import CELLS, SMALL, stable


def board(folder: Path, name: str, **more: str) -> pd.DataFrame:
    options = RunOptions(folder / name, folder / f"store-{name}", torch.device("cpu"), progress=Progress(), **more)  # type: ignore[arg-type]
    summary = run_track(load_track(str(folder / "t.toml")), options)
    assert summary.failed == 0
    return stable(folder / name / "results.csv")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_node_that_dies_costs_a_repetition_and_no_number(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    (tmp_path / "t.toml").write_text(SMALL + CELLS)
    expected = board(tmp_path, "one")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    leaving = cluster.add_node(num_cpus=1)
    out, gone = tmp_path / "ray", []

    def leave() -> None:
        while not list(out.glob("cells/*/state.json")):
            time.sleep(0.05)
        cluster.remove_node(leaving, allow_graceful=False)
        gone.append(len(list(out.glob("cells/*/state.json"))))

    watching = threading.Thread(target=leave, daemon=True)
    watching.start()
    try:
        found = board(tmp_path, "ray", ray=cluster.address, artefacts=(tmp_path / "shared").as_uri())
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert gone
    assert gone[0] < len(list(out.glob("cells/*/state.json"))), "it left in the middle"
    assert found.equals(expected)
    assert list((tmp_path / "shared").glob("embeddings/*.tar"))


def test_where_nobody_listens_it_is_said_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.monotonic()
    with pytest.raises(InputError, match=rf"--ray 127.0.0.1:{port}: no cluster answers there .*ray start --head"):
        knock(f"127.0.0.1:{port}")
    assert time.monotonic() - start < 30, "Ray itself goes on trying for minutes"
    for form in ("auto", "ray://127.0.0.1:1", "somewhere"):  # Ray knows better than we what is wrong with these
        knock(form)
    with socket.create_server(("127.0.0.1", 0)) as there:
        knock(f"127.0.0.1:{there.getsockname()[1]}")


def test_what_one_machine_made_another_one_fetches(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    recipe, url, made = Recipe("kind", {"a": 1}, ""), (tmp_path / "shared").as_uri(), []

    def build(folder: Path) -> None:
        made.append(folder)
        (folder / "deep").mkdir()
        (folder / "deep" / "x").write_text("done")

    first = RemoteStore(tmp_path / "one", url).make(recipe, build)
    other = RemoteStore(tmp_path / "two", url)
    assert other.has(recipe)
    second = other.make(recipe, build)
    assert len(made) == 1
    assert (second / "deep" / "x").read_text() == (first / "deep" / "x").read_text() == "done"
    assert RemoteStore(tmp_path / "two", url)._is_whole(second), "sealed anew where it arrived"
    assert [path.name for path in (tmp_path / "shared" / "kind").iterdir()] == [f"{recipe.key}.tar"]


def test_of_two_machines_that_made_one_thing_all_go_on_with_the_first(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    recipe, url = Recipe("kind", {"a": 1}, ""), (tmp_path / "shared").as_uri()

    def slower(folder: Path) -> None:
        RemoteStore(tmp_path / "faster", url).make(recipe, lambda own: (own / "x").write_text("first") and None)
        (folder / "x").write_text("second")

    assert (RemoteStore(tmp_path / "slower", url).make(recipe, slower) / "x").read_text() == "first"
