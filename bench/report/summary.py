"""What a board says, in sentences that somebody who is not a specialist can read and a specialist can check."""

from __future__ import annotations

import math

import pandas as pd

from .board_attacks import SPREAD
from .board_defenses import UNFINISHED, reach
from .rows import UNDEFENDED
from .style import percent, surface_text


def sentences(defenses: pd.DataFrame, fmr: float) -> list[str]:
    """Two to four findings on one data set, recognizer and surface.

    Args:
        defenses: the rows of the defense board that belong together.
        fmr: the headline false match rate.
    """
    found = [_undefended(row, fmr) for _, row in defenses[defenses["defense"] == UNDEFENDED].iterrows()]
    protected = defenses[(defenses["defense"] != UNDEFENDED) & reach(defenses)["reach"].notna()]
    if len(protected):
        found.append(_best(protected))
        flagged = protected[protected["flags"].map(lambda text: "F7" in text.split(","))]
        if len(flagged):
            names = "; ".join(flagged["defense"])
            found.append(f"Privacy by breaking recognition (flag F7), not to be read as protection: {names}.")
        unfinished = protected[protected["matched"] == UNFINISHED]
        if len(unfinished):
            names = "; ".join(unfinished["defense"])
            found.append(f"Not trained out (flag F17), so there is no verdict on accuracy or protection: {names}.")
    return [text for text in found if text]


def kin_sentences(judges: set[str], recognizer: str) -> list[str]:
    """What must be said of judges that learnt from the people the attacked recogniser learnt from."""
    if not judges:
        return []
    who, learnt = " and ".join(sorted(judges)), "has" if len(judges) == 1 else "have"
    return [
        f"Judge {who} {learnt} learnt from the same people as the attacked {recognizer} (marked ‡): another network, "
        "but not another training, so agreement with it is weaker evidence."
    ]


def publication_sentences(board: pd.DataFrame, fmr: float) -> list[str]:
    """The same for published pictures.

    Args:
        board: rows of the publication board that belong together.
        fmr: the headline false match rate.
    """
    found = []
    for _, row in board[board["defense"] == UNDEFENDED].iterrows():
        found.append(
            f"Published as they are, {percent(1 - row['psr_dodging'])} of the photos are found in another photo of the "
            f"same person by {row['judge']}, a judge that no protector had; a stranger would pass at {100 * fmr:g} %."
        )
    meant = board[board["goal"].isin(["cloak", "anonymize"]) & ~board["is_noise"].astype(bool)]
    for answer, text in (
        ("yes", "Harder to find than with Gaussian noise of the same PSNR, before that judge: {}."),
        ("tie", "Not proven harder to find than with noise of the same PSNR, so nothing shows that it transfers: {}."),
        ("no", "Easier to find than with noise of the same PSNR, so the protection does not transfer: {}."),
    ):
        names = meant.loc[(meant["beats_noise"] == answer) & (meant["defense"] != UNDEFENDED), "defense"]
        if len(names):
            found.append(text.format("; ".join(names)))  # labels of settings have commas
    keyed = board[board["recovery_psnr_right"].notna()]
    whole = keyed[keyed["recovery_psnr_blank"] > keyed["recovery_psnr_8bit"] - 1]
    if len(whole):
        found.append(
            f"The key alone gives the original back, so the key is the picture: {'; '.join(whole['defense'])}."
        )
    return found


def _undefended(row: pd.Series, fmr: float) -> str:
    surface, named = surface_text(row["surface"]), _named(row, row["identity_attack"].split(" (K")[0])
    if math.isnan(row["sar2"]):
        if not named:
            return f"No attack on the unprotected {surface} has a number yet."
        return f"Unprotected {surface}: {named[0].lower()}{named[1:]} A stranger would pass at {100 * fmr:g} %."
    judge = f"another recognizer ({row['judge']})"
    if row["judge"] == row["recognizer"]:
        judge = "the attacked recognizer itself"
    attack = row["worst_attack"].split(" (K")[0]  # without a defense there is nothing to know about it
    text = (
        f"Unprotected {surface}: after the strongest attack, {attack}, {judge} recognizes "
        f"{percent(row['sar2'])} of the victims in another photo of them{_range(row)}. A stranger would pass at "
        f"{100 * fmr:g} %"
    )
    if row["floor"]:
        text += f", the best simple guess ({row['floor']}) at {percent(row['floor_sar2'])}"
    return f"{text}. {named}".rstrip()


def _named(row: pd.Series, attack: str) -> str:
    """Whom ``attack`` recognizes without a picture; empty where none tried."""
    if not attack:
        return ""
    whose, _, alias = row["identity_judge"].rpartition(":")
    space = f"the adversary's own recognizer ({alias})" if whose else "the attacked recognizer"
    share = f"{percent(row['identity_sar2'])} of the victims in another photo of them{_range(row, 'identity_sar2')}"
    return f"Without drawing a picture, {attack} recognizes {share}, in the space of {space}."


def _best(protected: pd.DataFrame) -> str:
    ranked = protected[protected["rank"].notna()].join(reach(protected)).sort_values(["rank", "reach", "defense"])
    if not (protected["matched"] != "").any():
        return "Verification accuracy was not measured, so no defense is ranked."
    if ranked.empty:
        able = "No defense that was trained out" if (protected["matched"] == UNFINISHED).any() else "No defense"
        return f"{able} keeps verification accuracy as the protocol asks, so none is ranked."
    row = ranked.iloc[0]
    change = f"{100 * row['accuracy_diff']:+.1f}".replace("-", "−")
    named = _named(row, row["identity_attack"])
    drawn = f": {percent(row['sar2'])}{_range(row)} under its strongest attack, {row['worst_attack']}"
    text = (
        f"Of {len(protected)} defense{'s' * (len(protected) != 1)}, {len(ranked)} keep{'s' * (len(ranked) == 1)} "
        f"verification accuracy as the protocol asks. Of these, {row['defense']} leaks least"
        f"{'' if math.isnan(row['sar2']) else drawn}, for {change} points of accuracy."
    )
    rivals = list(ranked.iloc[1:].loc[ranked.iloc[1:]["rank"] == row["rank"], "defense"])
    if rivals:
        text += f" It is not proven that it leaks less than {'; '.join(rivals)}: a tie."
    return f"{text} {named}".rstrip()


def _range(row: pd.Series, metric: str = "sar2") -> str:
    lo, hi = row[f"{metric}_lo"], row[f"{metric}_hi"]
    if math.isnan(lo) or math.isnan(hi):
        return ""
    seeds = ""
    if metric == "sar2" and not math.isnan(row.get(SPREAD, math.nan)):
        seeds = f"mean of {int(row['n_seeds'])} seeds, standard deviation {100 * row[SPREAD]:.1f} points; "
    return f" ({seeds}95 % interval {100 * lo:.0f} to {100 * hi:.0f} %)"
