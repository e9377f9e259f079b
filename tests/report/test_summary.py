"""The findings above a board, from rows whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from faceleak.bench.report.summary import sentences

NAMED = "recognizes 71 % of the victims in another photo of them (95 % interval 66 to 75 %)"


def row(defense: str, sar2: float = np.nan, named: float = np.nan, **more: Any) -> dict[str, Any]:
    own = {
        "defense": defense, "surface": "template", "recognizer": "r", "judge": "v", "flags": "", "matched": "yes",
        "sar2": sar2, "sar2_lo": sar2 - 0.05, "sar2_hi": sar2 + 0.05, "worst_attack": "decoder (K1)", "floor": "",
        "floor_sar2": np.nan, "identity_attack": "" if np.isnan(named) else "identity-extraction (K1)",
        "identity_judge": "surrogate:m", "identity_sar2": named, "identity_sar2_lo": named - 0.047,
        "identity_sar2_hi": named + 0.042, "rank": np.nan, "accuracy_diff": -0.008,
    }  # fmt: skip
    return own | more


def told(*rows: dict[str, Any]) -> list[str]:
    return sentences(pd.DataFrame(rows), 0.01)


def test_whom_an_attack_names_without_a_picture_is_a_finding() -> None:
    (both,) = told(row("none", 0.4, 0.706, identity_judge="r"))
    assert both.startswith("Unprotected stored template: after the strongest attack, decoder, another recognizer (v)")
    assert both.endswith(
        f"Without drawing a picture, identity-extraction {NAMED}, in the space of the attacked recognizer."
    )


def test_where_no_picture_was_drawn_the_names_are_told_and_no_number_is_not_said() -> None:
    (alone,) = told(row("none", named=0.706))
    assert alone == (
        f"Unprotected stored template: without drawing a picture, identity-extraction {NAMED}, in the space of the "
        "adversary's own recognizer (m). A stranger would pass at 1 %."
    )
    assert told(row("none")) == ["No attack on the unprotected stored template has a number yet."]


def test_a_defense_that_only_names_were_asked_of_is_ranked_in_words_too() -> None:
    _, best = told(row("none", named=0.8), row("a", named=0.706, rank=1.0), row("b, eps 1", named=0.72, rank=1.0))
    assert best.startswith(
        "Of 2 defenses, 2 keep verification accuracy as the protocol asks. Of these, a leaks least, for −0.8"
    )
    assert "It is not proven that it leaks less than b, eps 1: a tie." in best
    assert best.endswith(f"identity-extraction (K1) {NAMED}, in the space of the adversary's own recognizer (m).")
    _, best = told(row("none", 0.4), row("a", 0.2, rank=1.0))
    assert best.startswith("Of 1 defense, 1 keeps")
    assert "a leaks least: 20 % (95 % interval 15 to 25 %) under its strongest attack, decoder (K1), for −0.8" in best
