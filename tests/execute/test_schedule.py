"""Which task is next: needs come first, nothing is made twice, no worker waits while a task is ready."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from faceleak.bench.execute.pace import Pace
from faceleak.bench.execute.schedule import Schedule
from faceleak.bench.execute.task import Ended, Task


def task(key: str, *after: str, makes: str = "", home: str = "", **more: bool) -> Task:
    return Task(key, key, None, frozenset(after), frozenset(makes.split()), home, **more)


def drain(schedule: Schedule, workers: int, rng: random.Random) -> list[tuple[str, ...]]:
    """Run to the end; what ran together at each moment."""
    running: dict[int, Task] = {}
    seen = []
    while not schedule.done:
        for worker in range(workers):
            if worker not in running and (one := schedule.next(worker)):
                running[worker] = one
        assert running, "nobody works and not all is done"
        seen.append(tuple(one.key for one in running.values()))
        worker = rng.choice(list(running))
        schedule.ended(running.pop(worker).key)
    return seen


@pytest.mark.parametrize("seed", range(20))
def test_any_graph_is_done_once_in_an_order_that_it_allows(seed: int) -> None:
    rng = random.Random(seed)
    tasks = []
    for number in range(30):
        after = rng.sample([one.key for one in tasks], min(len(tasks), rng.randrange(3)))
        makes = " ".join(rng.sample("abc", rng.randrange(2)))
        tasks.append(task(str(number), *after, makes=makes, home=rng.choice("xyz"), heavy=rng.random() < 0.3))
    seen = drain(Schedule(tasks), rng.randrange(1, 5), rng)
    first = {key: min(i for i, together in enumerate(seen) if key in together) for key in map(str, range(30))}
    last = {key: max(i for i, together in enumerate(seen) if key in together) for key in first}
    for one in tasks:
        assert all(last[other] < first[one.key] for other in one.after)
        others = {key for together in seen if one.key in together for key in together} - {one.key}
        assert not any(one.makes & tasks[int(other)].makes for other in others)


def test_a_worker_keeps_to_what_it_holds_and_leaves_others_theirs() -> None:
    schedule = Schedule([task(f"{home}{i}", home=home) for home in "xy" for i in range(3)])
    assert [schedule.next(1).key, schedule.next(2).key, schedule.next(1).key] == ["x0", "y0", "x1"]  # type: ignore[union-attr]
    assert schedule.next(3).home in "xy", "rather than nothing, what another one holds"  # type: ignore[union-attr]


def test_what_takes_minutes_begins_first_but_in_a_process_of_its_own_the_order_stays() -> None:
    tasks = [task("light", home="x"), task("heavy", home="x", heavy=True)]
    assert Schedule(tasks).next().key == "heavy"  # type: ignore[union-attr]
    assert Schedule(tasks).next(in_order=True).key == "light"  # type: ignore[union-attr]


def test_nobody_waits_for_a_lock_while_another_task_is_ready(tmp_path: Path) -> None:
    held = True
    schedule = Schedule([task("a"), task("b")], lambda lock: not held)
    assert schedule.next(1, in_order=True).key == "a"  # type: ignore[union-attr]
    schedule.busy("a", tmp_path / "lock")
    assert schedule.next(1).key == "b"  # type: ignore[union-attr]
    assert schedule.next(2) is None
    assert schedule.blocked
    held = False
    assert schedule.next(2).key == "a"  # type: ignore[union-attr]
    assert not schedule.blocked


def test_the_task_of_a_lost_worker_is_done_once_more_and_then_given_up() -> None:
    schedule = Schedule([task("a", home="x"), task("b", "a")])
    for again in (True, False):
        assert schedule.next(1).key == "a"  # type: ignore[union-attr]
        assert schedule.lost("a") is again
    assert schedule.next(1).key == "b", "what came after goes on, and says itself what it lacks"  # type: ignore[union-attr]


def test_the_pace_counts_what_takes_long_for_more() -> None:
    tasks = [task("h1", heavy=True), task("h2", heavy=True), *(task(str(i)) for i in range(4))]
    pace = Pace(tasks, workers=2)
    pace.add(Ended(tasks[0], None, seconds=100.0))
    pace.add(Ended(tasks[2], None, seconds=2.0))
    assert pace.seconds_left() == (100 + 3 * 2) / 2
    assert pace.told(Ended(tasks[2], None, seconds=2.0, worker=2)) == " (2): 2 s, about 53 s left"
