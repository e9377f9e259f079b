"""Where the time of a run went, as its cells tell it: python tests/perf/where.py [results/quick]

Seconds are the workers' wall time. A fit that several cells use is counted in the cell that made it.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from datetime import datetime
from pathlib import Path

from faceleak.bench.core.json_file import read_json
from faceleak.bench.record.cell_files import read_state
from faceleak.bench.record.packed import EVIDENCE, Unpacked


def spent(run: Path) -> dict[str, tuple[int, float]]:
    """Cells and seconds by attack, the most first."""
    packed = None if (run / "cells").is_dir() else Unpacked(run / EVIDENCE)
    found: dict[str, list[float]] = defaultdict(list)
    for folder in sorted((packed.cells if packed else run / "cells").iterdir()):
        state = read_state(folder)
        found[state["cell"]["attack"] or "(systems)"].append(state["seconds"])
    return {name: (len(times), sum(times)) for name, times in sorted(found.items(), key=lambda one: -sum(one[1]))}


def main() -> None:
    run = Path(sys.argv[1] if len(sys.argv) > 1 else "results/quick")
    found, about = spent(run), read_json(run / "run.json")
    total = sum(seconds for _, seconds in found.values())
    for name, (cells, seconds) in found.items():
        print(f"| `{name}` | {cells} | {seconds:.0f} | {100 * seconds / total:.1f} % |")
    start, end = (datetime.fromisoformat(about[name].removesuffix("Z")) for name in ("started", "finished"))
    print(f"| all cells | {sum(cells for cells, _ in found.values())} | {total:.0f} | |")
    print(f"{(end - start).total_seconds():.0f} s from begin to end, by {read_json(run / 'env.json')['argv']}")


if __name__ == "__main__":
    main()
