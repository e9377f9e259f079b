"""Names that both the harness and the report read results by. Imports no torch: a report needs none."""

from __future__ import annotations

from ..core.threat import DefenseKnowledge

ENSEMBLE = "standard-ensemble"
AUTO_ATTACK = "AutoAttack, arXiv 2003.01690"  # whose idea it is
CHOSEN = "chosen_"  # metric of a member's share of the victims, before its title

# Whoever knows more can do what somebody can who knows less; the first that a member is run at is the one that counts.
WITHIN = {
    DefenseKnowledge.K0: (DefenseKnowledge.K0,),
    DefenseKnowledge.K1: (DefenseKnowledge.K1, DefenseKnowledge.K0),
    DefenseKnowledge.K2: (DefenseKnowledge.K2, DefenseKnowledge.K0),
    DefenseKnowledge.K3: (DefenseKnowledge.K3, DefenseKnowledge.K1, DefenseKnowledge.K2, DefenseKnowledge.K0),
}

# Of attributes, and whether higher is better. Rows are called metric:attribute; without one they are means over all.
ATTRIBUTE_METRICS = {
    "attribute_accuracy": True, "attribute_chance": None, "attribute_gain": True, "attribute_auc": True,
}  # fmt: skip

# Ranks in a gallery, as `metrics.rivals.depths` calls their depths, and what rows call them.
RANKS = {"1": "rank1", "5": "rank5", "20": "rank20", "1%": "rank1pct"}
RATIOS = {rank: "risk_ratio" if rank == "rank1" else f"{rank}_risk_ratio" for rank in RANKS.values()}
NOBODY = ("mean_face", "random_vector")  # recoveries of nobody: baselines of a rank, behind its name
FACTOR_OF_FOUR = 4.0  # times a randomised baseline, "at worst": arXiv 2202.05760, abstract

AND = " & "  # between two judges, where a number is of both
PROTECTOR = "protector:"  # before the name of a judge that whoever protects had at hand
UTILITY_LOSS = 0.01  # of accuracy at most, where systems are compared by leakage alone; a track may state another
BROKEN_KEYS = ("wrong_key", "one_bit", "blank")  # after the right one and the right one behind 8-bit storage
