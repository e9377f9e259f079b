"""The matrix has the attacks that draw nothing, too."""

from __future__ import annotations

from pathlib import Path

import faceleak
import pandas as pd
from faceleak.bench.report.fig_matrix import draw_matrices
from faceleak.bench.report.one_judge import under_one_judge
from faceleak.bench.report.tables import matrix_table

QUICK = Path(faceleak.__file__).resolve().parent / "results" / "quick"


def matrix() -> pd.DataFrame:
    found = pd.read_csv(QUICK / "boards" / "matrix.csv", keep_default_na=False, na_values={"sar2": [""]})
    found[["sar2_lo", "sar2_hi"]] = found[["sar2_lo", "sar2_hi"]].apply(pd.to_numeric)
    return found[found["surface"] == "template"]


def test_who_says_who_it_is_without_a_picture_stands_in_the_matrix_with_its_number() -> None:
    rows, judge = under_one_judge(matrix())
    own = rows[rows["attack"] == "identity-extraction †"]
    assert judge == "vgg"
    assert set(own["judge"]) == {"resnet"}
    assert own.loc[own["defense"] == "none", "sar2"].item() > 0.8
    assert "identity-extraction" not in set(rows["attack"])
    drawn = rows[rows["attack"] == "linear-ridge"]
    assert set(drawn["judge"]) == {"vgg"}
    assert not rows.duplicated(["attack", "knowledge", "defense"]).any()
    # The strongest attack of the committed board had a line of dashes.
    lines = matrix_table(rows, {("identity-extraction", "K0", "none"): "key"}, "m", "Matrix").lines
    (line,) = (one for one in lines if one.cells[0].text == "identity-extraction †" and one.knowledge == "K0")
    plain = own.loc[(own["defense"] == "none") & (own["knowledge"] == "K0"), "sar2"].item()
    assert line.cells[2].text.startswith(f"{100 * plain:.1f}")
    assert line.cells[2].cell == "key"


def test_where_nobody_is_scored_the_words_stay(tmp_path: Path) -> None:
    failed = matrix().assign(sar2=float("nan"), status="failed")
    rows, judge = under_one_judge(failed)
    assert (judge, set(rows["status"])) == ("vgg", {"failed"})
    assert draw_matrices(failed, 0.01, tmp_path) == []
    assert under_one_judge(failed.iloc[:0])[1] == ""
