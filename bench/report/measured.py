"""How a run was measured, as a paragraph for a paper: every number in it comes from the run's own files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .latex import escape
from .load import RunFolder


def measured(run: RunFolder) -> str:
    """LaTeX, ending with a blank; what the files do not say is left out."""
    return " ".join(escape(sentence) for sentence in _sentences(run)) + "\n"


def _sentences(run: RunFolder) -> Iterator[str]:
    protocol: Mapping[str, Any] = _map(run.run.get("protocol"))
    for name, about in _map(run.manifest.get("datasets")).items():
        splits = _map(_map(about).get("splits"))
        words = [f"{part} {_map(known).get('identities')} people ({_map(known).get('images')} pictures)"
                 for part, known in splits.items()]  # fmt: skip
        if words:
            yield f"Pictures of {name} were split into sets of different people: {', '.join(words)}."
    nets = [f"{alias} ({_map(about).get('family')})" for alias, about in _map(run.manifest.get("recognizers")).items()]
    if nets:
        yield f"Recognisers: {', '.join(nets)}."
    if protocol:
        leaks = protocol.get("leaks_per_identity")
        yield (
            f"Of each victim {leaks} {'picture' if leaks == 1 else 'pictures'} leaked; where a defence draws secrets "
            f"per call, {protocol.get('draws')} times."
        )
    yield (
        f"Judges accept at a false match rate of {100 * run.headline_fmr:g} %, by thresholds from all pairs of "
        "calibration people, who are neither victims nor known to an attack."
    )
    yield (
        "SAR Type-II is the share of a victim's other photographs that a judge accepts as the person recovered, "
        "averaged by person."
    )
    if protocol:
        yield (
            f"Intervals are {100 * float(protocol.get('level') or 0.95):g} % percentile bootstraps over victims and, "
            "of rates at a false match rate, over the calibration people who set the threshold, drawn together "
            f"({protocol.get('bootstrap')} resamples)."
        )
        victims = protocol.get("selection_victims")
        if victims:
            yield (
                f"The strongest attack on each defence was chosen on {victims} calibration people and is "
                "reported on the victims."
            )
    seeds = sorted({int(seed) for seed in run.results["seed"].dropna()})
    if seeds:
        yield f"Seeds: {', '.join(map(str, seeds))}."
    for text in run.manifest.get("caveats") or ():
        yield str(text)
    env = run.env
    machine = {"commit": str(env.get("code_sha") or "")[:12], "torch": env.get("torch"), "device": env.get("device")}
    told = [f"{name} {value}" for name, value in machine.items() if value]
    if told:
        yield f"faceleak at {', '.join(told)}; track {run.run.get('track')}."


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
