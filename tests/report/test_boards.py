"""Boards: known answers on tables small enough to check by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from faceleak.bench.record.results import COLUMNS, Row, read_results, write_results
from faceleak.bench.report.boards import BOARDS, build_boards, write_boards
from faceleak.bench.report.columns import SHOWN, help_for
from faceleak.bench.report.shown import ATTACKS_SHOWN, ATTRIBUTES_SHOWN, DEFENSES_SHOWN, TRANSFER_SHOWN
from faceleak.bench.report.summary import sentences

from .fixture_run import base_row


def table(rows: list[Row]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in ("value", "fmr", "seed", "ci_lo", "ci_hi", "train_s", "invert_s", "n_queries", "params", "n_aux"):
        frame[name] = pd.to_numeric(frame[name])
    return frame


def attack(
    name: str, victims: float, calibration: float | None = None, judge: str = "toy-b", **other: Any
) -> list[Row]:
    who = {"attack": name, "surface": "template", "knowledge": "K1", "judge": judge, "metric": "sar_type2", "fmr": 0.01}
    who |= {"cell": f"{name}-{other.get('defense', 'none')}-{other.get('surface')}-{other.get('seed', 0)}"} | other
    rows = [base_row(**who, value=victims, ci_lo=victims - 0.1, ci_hi=victims + 0.1)]
    if calibration is not None:
        rows.append(base_row(**who | {"split": "calibration"}, value=calibration))
    return rows


def utility(defense: str, accuracy: float) -> list[Row]:
    return [base_row(defense=defense, metric="accuracy", value=accuracy, cell=f"u-{defense}")]


def one(board: pd.DataFrame, **where: str) -> pd.Series:
    for name, value in where.items():
        board = board[board[name] == value]
    assert len(board) == 1
    return board.iloc[0]


def test_the_worst_attack_is_chosen_on_calibration_and_reported_on_victims() -> None:
    rows = attack("lucky", victims=0.9, calibration=0.3) + attack("steady", victims=0.6, calibration=0.7)
    row = one(build_boards(table(rows))["defenses"])
    assert row["worst_attack"] == "steady (K1)"
    assert row["sar2"] == pytest.approx(0.6)
    assert row["chosen_on"] == "calibration"
    assert (row["sar2_lo"], row["sar2_hi"]) == (pytest.approx(0.5), pytest.approx(0.7))


def test_without_calibration_rows_the_board_says_that_victims_chose() -> None:
    row = one(build_boards(table(attack("a", 0.4) + attack("b", 0.5)))["defenses"])
    assert (row["worst_attack"], row["chosen_on"]) == ("b (K1)", "victims")


def test_a_floor_can_be_the_worst_attack_and_a_ceiling_never() -> None:
    rows = attack("same-photo", 1.0, 1.0, fidelity="baseline") + attack("nearest", 0.8, 0.8, fidelity="baseline")
    row = one(build_boards(table(rows + attack("real", 0.3, 0.3)))["defenses"])
    assert (row["worst_attack"], row["sar2"]) == ("nearest (K1)", pytest.approx(0.8))
    assert (row["floor"], row["floor_sar2"]) == ("nearest", pytest.approx(0.8))


def test_surfaces_are_not_mixed() -> None:
    rows = attack("a", 0.2, 0.2) + attack("a", 0.9, 0.9, surface="wire")
    board = build_boards(table(rows))["defenses"]
    assert one(board, surface="template")["sar2"] == pytest.approx(0.2)
    assert one(board, surface="wire")["sar2"] == pytest.approx(0.9)


def test_a_score_under_the_attacked_recognizer_alone_does_not_decide() -> None:
    rows = attack("fooler", 0.99, 0.99, judge="toy-a") + attack("real", 0.3, 0.3)
    rows += attack("real", 0.4, 0.4, judge="toy-a")
    row = one(build_boards(table(rows))["defenses"])
    assert (row["worst_attack"], row["judge"], row["target_sar2"]) == ("real (K1)", "toy-b", pytest.approx(0.4))
    assert (row["target_worst"], row["target_worst_sar2"]) == ("fooler (K1)", pytest.approx(0.99))


def test_matched_utility_decides_who_is_ranked() -> None:
    rows = utility("none", 0.97) + utility("mild", 0.96) + utility("harsh", 0.95) + utility("other", 0.965)
    for name, value in (("none", 0.9), ("mild", 0.4), ("harsh", 0.1), ("other", 0.65)):
        rows += attack("a", value, value, defense=name)
    board = build_boards(table(rows))["defenses"].set_index("defense")
    assert board["matched"].to_dict() == {"none": "yes", "mild": "yes", "other": "yes", "harsh": "no"}
    assert math.isnan(board.at["harsh", "rank"])
    assert math.isnan(board.at["none", "rank"])
    assert (board.at["mild", "rank"], board.at["other", "rank"]) == (1, 2)
    assert board.at["harsh", "accuracy_diff"] == pytest.approx(-0.02)
    assert next(iter(board.index)) == "none"


def test_whom_an_attack_names_without_a_picture_counts_for_the_rank() -> None:
    rows = attack("draw", 0.1, 0.1, defense="blur") + attack("name", 0.9, 0.9, defense="blur", judge="surrogate")
    rows += attack("draw", 0.4, 0.4, defense="noise") + attack("name", 0.2, 0.2, defense="noise", judge="surrogate")
    rows += [row for defense in ("none", "blur", "noise") for row in utility(defense, 0.95)]
    board = build_boards(table(rows))["defenses"]
    assert (one(board, defense="noise")["rank"], one(board, defense="blur")["rank"]) == (1, 2)


def test_pareto_marks_the_rows_that_nothing_beats_on_both_axes() -> None:
    rows = utility("none", 0.97) + utility("good", 0.965) + utility("beaten", 0.96)
    for name, value in (("none", 0.9), ("good", 0.3), ("beaten", 0.5)):
        rows += attack("a", value, value, defense=name)
    board = build_boards(table(rows))["defenses"].set_index("defense")
    assert board["pareto"].to_dict() == {"none": "yes", "good": "yes", "beaten": "no"}


def test_the_paired_difference_decides_where_the_undefended_accuracy_is_missing() -> None:
    rows = [base_row(defense="a", metric="accuracy_undefended_difference", value=-0.005, cell="u")]
    rows += attack("x", 0.1, 0.1, defense="a")
    assert one(build_boards(table(rows))["defenses"])["matched"] == "yes"


def test_utility_collapse_is_never_ranked() -> None:
    rows = utility("none", 0.97) + utility("a", 0.97) + attack("x", 0.1, 0.1, defense="a")
    rows[1]["flags"] = "F7"
    row = one(build_boards(table(rows))["defenses"], defense="a")
    assert math.isnan(row["rank"])
    assert row["flags"] == "F7"


def test_what_was_not_trained_out_has_no_verdict() -> None:
    rows = utility("none", 0.97) + utility("a", 0.97) + utility("b", 0.5)
    rows += attack("x", 0.1, 0.1, defense="a") + attack("x", 0.0, 0.0, defense="b") + attack("x", 0.6, 0.6)
    for row in rows[1:3]:
        row["flags"] = "F17"
    board = build_boards(table(rows))["defenses"]
    for name in ("a", "b"):
        row = one(board, defense=name)
        assert (row["matched"], row["pareto"]) == ("not trained out", "no")
        assert math.isnan(row["rank"])
    said = " ".join(sentences(board, 0.01))
    assert "No defense that was trained out keeps verification accuracy" in said
    assert "Not trained out (flag F17), so there is no verdict on accuracy or protection: b; a." in said
    assert "F7" not in said


def test_seeds_are_averaged_and_their_extremes_kept() -> None:
    rows = attack("a", 0.2, 0.2, seed=0) + attack("a", 0.4, 0.4, seed=1) + attack("a", 0.6, 0.6, seed=2)
    row = one(build_boards(table(rows))["defenses"])
    assert (row["sar2"], row["sar2_min"], row["sar2_max"]) == (pytest.approx(0.4), 0.2, 0.6)
    half = math.hypot(0.1, 4.302653 * 0.2 / math.sqrt(3))  # of one seed, and Student's t of three seeds
    assert (row["n_seeds"], row["sar2_lo"], row["sar2_hi"]) == (3, pytest.approx(0.4 - half), pytest.approx(0.4 + half))


def test_a_budget_sweep_is_not_averaged_as_if_it_were_seeds() -> None:
    few = attack("a", 0.2, 0.2, cell="c30", n_protected_pairs=30.0)
    many = attack("a", 0.8, 0.8, cell="c300", n_protected_pairs=300.0)
    boards = build_boards(table(few + many))
    assert set(boards["attacks"]["attack"]) == {"a [pairs 30]", "a [pairs 300]"}
    assert one(boards["defenses"])["sar2"] == pytest.approx(0.8)


def test_failed_cells_appear() -> None:
    broken = {"attack": "broken", "surface": "template", "knowledge": "K1", "metric": "cell", "cell": "x"}
    rows = [*attack("a", 0.2, 0.2), base_row(**broken, status="failed")]
    boards = build_boards(table(rows))
    assert one(boards["matrix"], attack="broken", judge="toy-b")["status"] == "failed"
    assert one(boards["matrix_wide"], attack="broken", judge="toy-b")["none"] == "failed"
    assert one(boards["attacks"], attack="broken")["status"] == "failed"
    row = one(boards["defenses"])
    assert (row["n_cells"], row["n_failed"]) == (2, 1)


def test_mean_over_defenses_leaves_the_undefended_system_out() -> None:
    rows = attack("a", 0.9, defense="none") + attack("a", 0.2, defense="d") + attack("a", 0.4, defense="e")
    row = one(build_boards(table(rows))["attacks"])
    assert (row["sar2"], row["mean_sar2"], row["n_defenses"]) == (pytest.approx(0.9), pytest.approx(0.3), 2)


def test_transfer_compares_judges_on_the_undefended_system() -> None:
    rows = attack("a", 0.9, 0.9, judge="toy-a") + attack("a", 0.3, 0.3) + attack("a", 0.1, 0.1, defense="d")
    board = build_boards(table(rows))["transfer"]
    assert one(board, judge="toy-a")["mean_undefended_sar2"] == pytest.approx(0.9)
    assert one(board, judge="toy-b")["strongest_sar2"] == pytest.approx(0.3)


def test_a_surrogates_own_space_is_not_taken_for_the_independent_judge() -> None:
    rows = attack("link", 0.7, 0.7, judge="surrogate") + attack("real", 0.5, 0.5)
    boards = build_boards(table(rows))
    kinds = boards["matrix"].set_index(["attack", "judge"])["judge_kind"]
    assert (kinds["link", "surrogate"], kinds["real", "toy-b"]) == ("other", "independent")
    row = one(boards["defenses"])
    assert (row["worst_attack"], row["judge"], row["sar2"]) == ("real (K1)", "toy-b", pytest.approx(0.5))
    assert (row["identity_attack"], row["identity_judge"]) == ("link (K1)", "surrogate")
    assert row["identity_sar2"] == pytest.approx(0.7)


def test_an_identity_in_the_attacked_space_is_no_picture_for_the_target() -> None:
    rows = attack("link", 0.9, 0.9, judge="toy-a") + attack("real", 0.5, 0.5, judge="toy-a")
    rows.append(rows[2] | {"metric": "psnr", "judge": "", "fmr": None, "value": 12.0})
    row = one(build_boards(table(rows))["defenses"])
    assert (row["worst_attack"], row["identity_attack"]) == ("real (K1)", "link (K1)")


def test_an_ensemble_competes_with_its_members() -> None:
    rows = attack("all", 0.5, 0.5) + attack("inside", 0.4, 0.4) + attack("outside", 0.3, 0.3)
    share = {"attack": "all", "surface": "template", "knowledge": "K1", "cell": rows[0]["cell"]}
    rows.append(base_row(**share, metric="chosen_inside", value=1.0))
    row = one(build_boards(table(rows))["defenses"])
    assert (row["worst_attack"], row["sar2"], row["n_attacks"]) == ("all (K1)", pytest.approx(0.5), 3)
    stronger = one(build_boards(table(rows + attack("inside", 0.9, 0.9, knowledge="K3")))["defenses"])
    assert stronger["worst_attack"] == "inside (K3)"


def test_probes_have_a_board_of_their_own_and_no_place_on_the_others() -> None:
    rows = attack("real", 0.3)
    for name, area in (("attribute-probe", 0.8), ("attribute-photo (mlp)", 0.95)):
        who = {"attack": name, "surface": "template", "knowledge": "K0", "cell": name}
        for suffix, more in ((":hat", 0.04), (":bald", -0.04), ("", 0.0)):
            interval = {"value": area + more, "ci_lo": area - 0.1, "ci_hi": area + more}
            rows.append(base_row(**who, metric=f"attribute_auc{suffix}", **interval))
    rows.append(
        base_row(attack="attribute-probe", surface="wire", knowledge="K0", cell="f", metric="cell", status="failed")
    )
    boards = build_boards(table(rows))
    assert set(boards["attacks"]["attack"]) == set(boards["matrix"]["attack"]) == {"real"}
    board = boards["attributes"]
    seen = board[board["surface"] == "template"]
    assert seen["attribute"].tolist() == ["mean of all", "bald", "hat"] * 2
    assert seen["role"].tolist() == ["ceiling"] * 3 + ["attack"] * 3
    hat = one(seen, attack="attribute-probe", attribute="hat")
    assert (hat["attribute_auc"], hat["attribute_auc_lo"]) == (pytest.approx(0.84), pytest.approx(0.7))
    assert math.isnan(hat["attribute_accuracy"])
    assert one(board, surface="wire")["status"] == "failed"


def test_every_column_is_explained() -> None:
    boards = build_boards(table(attack("a", 0.2)))
    assert set(boards) == set(BOARDS)
    for name, board in boards.items():
        for column in board.columns if name != "matrix_wide" else ():
            assert help_for(column).endswith((".", ")"))
    assert {*DEFENSES_SHOWN, *ATTACKS_SHOWN, *TRANSFER_SHOWN, *ATTRIBUTES_SHOWN} <= set(SHOWN)


def test_empty_results_make_empty_boards_with_their_columns(tmp_path: Path) -> None:
    write_results([], tmp_path / "results.csv")
    boards = build_boards(read_results(tmp_path / "results.csv"))
    assert all(board.empty and len(board.columns) for board in boards.values())
    write_boards(boards, tmp_path / "boards")
    assert (tmp_path / "boards" / "defenses.csv").read_text().startswith("dataset,recognizer,surface,defense,")


def test_words_and_the_worth_of_a_release_stand_on_the_board() -> None:
    rows = attack("a", 0.4) + attack("a", 0.2, defense="wired") + attack("a", 0.2, defense="released")
    rows += utility("none", 0.95) + utility("wired", 0.9) + utility("released", 0.5)
    rows.append(base_row(defense="wired", metric="recognizer_init", value=None, unit="distill", cell="u-wired"))
    for metric, value in (("", 0.85), ("_original", 0.93), ("_difference", -0.08)):
        rows.append(base_row(defense="released", metric=f"release_accuracy{metric}", value=value, cell="u-released"))
    board = build_boards(table(rows))["defenses"]
    wired, released = one(board, defense="wired"), one(board, defense="released")
    assert (wired["recognizer_init"], wired["utility"], wired["accuracy"]) == ("distill", "verification", 0.9)
    assert (released["recognizer_init"], released["utility"]) == ("", "training on the release")
    assert released["accuracy"] == pytest.approx(0.85)
    assert released["accuracy_diff"] == pytest.approx(-0.08)
    assert released["matched"] == "no"
