"""What each column of each board means, in plain words. The page prints them; a test checks that none is missing."""

from __future__ import annotations

from typing import NamedTuple


class Shown(NamedTuple):
    """How a column appears on the page: heading, and how its values are written."""

    label: str
    kind: str = "text"  # text, percent, points, number, tenths, unit (two decimals), flags, mark


_SAR = "share of victims whose reconstruction the judge accepts as"

COLUMN_HELP: dict[str, str] = {
    "dataset": "The face pictures that were used.",
    "recognizer": "The face recognizer that made the templates and that is attacked.",
    "surface": "Where the adversary taps the system: the stored template, the data sent to the server (wire), or a "
    "published image.",
    "defense": "The protection in place; none is the unprotected system.",
    "rank": "1 leaks least, by the larger of SAR-II and identity SAR-II. Given only to defenses that keep verification "
    "accuracy within what the protocol allows (utility_loss, 1 point unless the track says otherwise). One more than "
    "there are that are proven to leak less (paired comparisons; in boards older than these, intervals that do not "
    "touch): who shares a rank is a tie.",
    "pareto": "Marked if no other row has at least the same utility and leaks less, by the numbers as they stand: a "
    "neighbor may be a tie.",
    "matched": "yes if no more verification accuracy is lost than the protocol allows (utility_loss), no if more, "
    "not trained out if the defense's "
    "networks learnt too little for a verdict (F17); only rows with yes can be compared by leakage "
    "alone.",
    "accuracy": "Share of face pairs (same person or not) that the protected system decides correctly, 10-fold.",
    "accuracy_diff": "Accuracy minus that of the unprotected system, in percentage points; negative is a loss.",
    "tar": "True accept rate: share of genuine attempts accepted when strangers pass at the headline false match rate.",
    "eer": "Equal error rate: the error where false accepts and false rejects are equally common; low is good.",
    "worst_attack": "The attack or floor whose pictures recovered most victims, picked on other people (calibration "
    "identities) than those it is reported on; members of an ensemble compete too; in brackets what it knows of the "
    "defense (K0 nothing, K1 trained against it, K2 its algorithm, K3 the victim's secrets too).",
    "judge": "The recognizer that decides whether a reconstruction is the victim; independent unless it equals the "
    "attacked one. ‡: it learnt from the same people as the attacked one, so it is less independent than another.",
    "judge_kind": "independent: no attack saw this judge; target: it is the attacked recognizer; other: another "
    "space, for "
    "example the attacker's own.",
    "chosen_on": "The identities on which the strongest attack was picked; victims means there were no calibration "
    "rows, so the "
    "number is a little too high.",
    "n_attacks": "How many attacks and floors were scored by that judge.",
    "sar2": f"SAR Type-II: {_SAR} another photo of the same person; the main measure of leakage.",
    "sar1": f"SAR Type-I: {_SAR} the very photo that was attacked; easier than Type-II.",
    "sar2_min": "Lowest SAR Type-II among the seeds.",
    "sar2_max": "Highest SAR Type-II among the seeds.",
    "sar2_sd": "Standard deviation of SAR Type-II over the seeds, each a run of its own; only where there are several.",
    "n_seeds": "How many repetitions with other random numbers the mean is over.",
    "target_sar2": "SAR Type-II with the attacked recognizer itself as judge; usually higher, because the attack aims "
    "at it.",
    "target_sar1": "SAR Type-I with the attacked recognizer itself as judge.",
    "rank1": "Share of victims who come first when the reconstruction is searched in a gallery of faces.",
    "rank1_chance": "The rank-1 that guessing would reach in that gallery.",
    "psnr": "Pixel likeness of the reconstruction to the original in decibels; high is alike, but it says little "
    "about identity.",
    "ssim": "Structural likeness of the pictures, 0 to 1; says little about identity.",
    "floor": "The best simple guess (such as the nearest public face); an attack below it has learned nothing.",
    "floor_sar2": "SAR Type-II of that floor.",
    "target_worst": "The strongest attack when the attacked recognizer itself is the judge.",
    "target_worst_sar2": "Its SAR Type-II under the attacked recognizer.",
    "identity_attack": "The strongest attack that tells who somebody is without drawing a picture.",
    "identity_judge": "Whose space its answers live in: the attacker's own recognizer (surrogate) or the attacked one.",
    "identity_sar2": "SAR Type-II of that attack in that space. It was trained towards this judge, so the number does "
    "not compare with that of pictures under an independent one.",
    "d_sys_excess": "How well two templates of one person under different keys can be linked (D_sys, 0 to 1), minus "
    "what "
    "shuffled labels give; about 0 is unlinkable. Only for defenses with keys.",
    "protect_ms": "Time to protect one sample, in milliseconds.",
    "leak_bytes": "Size of what the adversary gets per person, in bytes.",
    "utility": "What accuracy is of: the defended system verifying people, or a recognizer trained on a released data "
    "set and tested on real photos.",
    "recognizer_init": "How the server's own recognizer began, where a defense trains one: scratch, warm (with the "
    "weights of one of plain faces), clean_finetune (from a recognizer of plain faces) or distill (taught by it); "
    "inverse: behind the closed-form inverse of what the client does, which is no part of the paper.",
    "n_cells": "How many cells (attack, defense, knowledge, seed) were planned.",
    "n_failed": "How many of the cells behind this row failed; each is listed with its error.",
    "flags": "Warnings about this row; each is explained below.",
    "role": "attack; floor (a simple guess); ceiling (a real photo of the victim).",
    "attack": "The method that turns the leak into a face or an identity.",
    "knowledge": "What the attacker knows of the defense: K0 nothing, K1 may run it on own pictures, K2 its algorithm "
    "with own "
    "secrets, K3 everything.",
    "mean_sar2": "SAR Type-II averaged over all defenses it ran on (not over none).",
    "mean_undefended_sar2": "SAR Type-II on the unprotected system, averaged over the attacks.",
    "n_defenses": "How many defenses that mean is over; attacks with different counts are not comparable by it.",
    "train_s": "Training time in seconds, mean over its cells.",
    "invert_s": "Time to attack the victims in seconds, mean over its cells.",
    "n_queries": "Queries to the attacked system, mean over its cells.",
    "params": "Trainable parameters of the attack.",
    "status": "ok, or why there is no number: failed, refused (not granted by the threat model), not-applicable "
    "(cannot take this "
    "leak), absent (something it needs is not on this machine), skipped-budget, not-scored (not scored by this judge).",
    "strongest_attack": "The attack that recovered most victims under this judge, picked on the calibration "
    "identities.",
    "strongest_sar2": "SAR Type-II of that attack.",
    "goal": "What the defense is for, hence what its numbers are read for: cloak (recognisers fail, people see the "
    "same), anonymize (nobody recognises), hide (people fail, recognisers do not), lock (nobody without the key), "
    "disrupt-edits (manipulated copies fail).",
    "psr_dodging": "Protection success rate: share of published pictures that the judge does not take for another, "
    "unprotected photo of their person, at the headline false match rate. The judge is one that the protector never "
    "had.",
    "psr_dodging_seen": "The same under a recogniser that the protector searched with: what white-box success looks "
    "like.",
    "seen_judge": "Which recogniser that is.",
    "psr_impersonation": "Share of published pictures that the judge takes for a decoy, in a photo of the decoy that "
    "the search did not see.",
    "psr_impersonation_unprotected": "The same share for the photos as they were: chance and look-alikes.",
    "rank1_originals": "Share of published pictures whose person comes first in a gallery of unprotected photos; low "
    "is good.",
    "rank1_published": "Share whose person comes first in a gallery of pictures published the same way: whether two "
    "protected photos of one person can still be linked; low is good.",
    "rank1_decoy": "Share for which a decoy comes first in the gallery.",
    "rank1_published_chance": "The rank-1 that guessing would reach in the gallery of published pictures.",
    "lpips": "LPIPS distance of the published picture from the original; low is alike.",
    "fid": "FID of published pictures and originals; low is alike. Of few pictures it is far above 0 even for equals.",
    "landmark_error": "How far the landmarks of the face have moved, in distances of the eyes; low keeps the geometry.",
    "edit_identity": "Share of edits of the published picture (other glasses, hair, ...) by editors that the protector "
    "never had, in which the judge still finds the person; what a defense against manipulation makes small.",
    "edit_identity_unprotected": "The same share for edits of the original: what there was to protect.",
    "edit_distance": "Mean squared difference between the edit of the published picture and that of the original, over "
    "the features of the face, pixels from -1 to 1; high is what a defense against manipulation wants.",
    "edit_disrupted": "Share of edits where that is above 0.05.",
    "is_noise": "Whether it is one of the noise baselines.",
    "noise_dodging": "What Gaussian noise of the same PSNR reaches, interpolated between the track's noise baselines.",
    "beats_noise": "yes if the whole interval of the protection success rate lies above that of noise, no if below, "
    "tie if they touch: then nothing shows that the protection transfers to a judge it never saw.",
    "washed_by": "The attack on the published picture, such as a JPEG, after which the judge finds most people.",
    "washed_sar2": "Share of people found then (SAR Type-II).",
    "recovery_psnr_right": "PSNR of the original as it comes back with its key.",
    "recovery_psnr_8bit": "The same after the published picture was stored in 8 bits.",
    "recovery_psnr_wrong_key": "The same with somebody else's key.",
    "recovery_psnr_one_bit": "The same with one bit of the key flipped.",
    "recovery_psnr_blank": "The same with the right key and a black picture: as high as with the published one means "
    "that the key is the picture.",
    "recovery_psnr_ceiling": "What its own codes of the originals decode to: no key gives more. Empty: all of it.",
    "key_bytes": "Size of the key of one picture.",
    "picture_bytes": "Size of a picture, uncompressed in 8 bits.",
    "kind": "Whether two attacks on one system are compared, or two defenses, each under its strongest attack.",
    "system": "The defense that both attacks were run on; empty where defenses are compared.",
    "a": "What is compared.",
    "b": "What it is compared with.",
    "a_value": "SAR Type-II of A.",
    "b_value": "SAR Type-II of B.",
    "difference": "A minus B over the victims that both have, paired by victim.",
    "p": "Of no difference, two-sided: the exact sign-flip test over victims.",
    "p_holm": "The same, corrected by Holm's method over all comparisons of this kind on this board.",
    "significant": "yes if the corrected p is below 0.05 and the interval of the difference excludes 0; no is a tie.",
    "difference_sd": "Standard deviation of the difference over the seeds; only where there are several.",
    "n": "How many victims both have.",
    "best": "yes where no attack on that defense is proven to be stronger under that judge.",
    "strongest": "Marked if this is the attack of the main board.",
    "depth": "How many places of the gallery count: 1, 5, 20, or one percent of it.",
    "found": "Share of victims whose person is among so many first of a gallery with one photo of everybody.",
    "shuffled": "The same share by the recoveries of all other victims: what shuffled recoveries reach on average, "
    "computed exactly.",
    "risk_ratio": "Found over shuffled, paired by person; infinite where no other recovery finds anybody.",
    "factor_of_four": "Where that interval lies beside the factor of four over randomised baselines that arXiv "
    "2202.05760 states as the worst case.",
    "mean_face": "The same share by the mean of the public pictures: the places of the gallery over its people, unless "
    "only some of them are victims.",
    "mean_face_ratio": "Found over that; the baseline is taken as it is.",
    "random_vector": "The same share by what the attack makes of random vectors of the right distribution, enrolled as "
    "a person's would be.",
    "random_vector_ratio": "Found over that; the baseline is taken as it is.",
    "judges": "Two independent judges: neither is attacked, and no attack saw them.",
    "agreement": "Share of decisions about a recovery and another photo of the victim on which both agree.",
    "kappa": "Cohen's kappa: that agreement beyond what their rates alone give; 1 always, 0 as by chance.",
    "attribute": "What is read of the victims, such as glasses or a beard; mean of all is the mean over them.",
    "attribute_accuracy": "Share of victims of whom the probe says the right thing.",
    "attribute_chance": "The share that is right if everybody is called what most public pictures are.",
    "attribute_gain": "Accuracy minus chance, paired by person; above 0 with its interval, the leak tells something.",
    "attribute_auc": "Area under the ROC curve: how often one who has it scores above one who has not; 0.5 is chance.",
}

SHOWN: dict[str, Shown] = {
    "defense": Shown("defense"),
    "rank": Shown("rank", "number"),
    "pareto": Shown("Pareto", "mark"),
    "matched": Shown("matched"),
    "accuracy": Shown("accuracy, %", "percent"),
    "accuracy_diff": Shown("Δ accuracy, points", "points"),
    "tar": Shown("TAR, %", "percent"),
    "worst_attack": Shown("strongest attack"),
    "judge": Shown("judge"),
    "sar2": Shown("SAR-II, %", "percent"),
    "sar1": Shown("SAR-I, %", "percent"),
    "target_sar2": Shown("SAR-II by target, %", "percent"),
    "target_sar1": Shown("SAR-I by target, %", "percent"),
    "rank1": Shown("rank-1, %", "percent"),
    "rank1_chance": Shown("chance, %", "percent"),
    "psnr": Shown("PSNR, dB", "tenths"),
    "ssim": Shown("SSIM", "unit"),
    "identity_attack": Shown("identity by"),
    "identity_judge": Shown("in the space of"),
    "identity_sar2": Shown("identity SAR-II, %", "percent"),
    "floor": Shown("which floor"),
    "status": Shown("status"),
    "floor_sar2": Shown("floor SAR-II, %", "percent"),
    "d_sys_excess": Shown("D_sys − null", "unit"),
    "protect_ms": Shown("ms", "number"),
    "leak_bytes": Shown("bytes", "number"),
    "utility": Shown("accuracy of"),
    "recognizer_init": Shown("server's start"),
    "n_failed": Shown("failed", "number"),
    "sar2_sd": Shown("seeds' SD, points", "percent"),
    "n_seeds": Shown("seeds", "number"),
    "flags": Shown("flags", "flags"),
    "role": Shown("role"),
    "attack": Shown("attack"),
    "knowledge": Shown("knows"),
    "mean_sar2": Shown("mean SAR-II, defended, %", "percent"),
    "mean_undefended_sar2": Shown("mean SAR-II, %", "percent"),
    "n_defenses": Shown("over", "number"),
    "train_s": Shown("train, s", "number"),
    "invert_s": Shown("attack, s", "number"),
    "n_queries": Shown("queries", "number"),
    "params": Shown("parameters", "number"),
    "recognizer": Shown("attacked recognizer"),
    "surface": Shown("surface"),
    "dataset": Shown("data"),
    "strongest_attack": Shown("strongest attack"),
    "strongest_sar2": Shown("its SAR-II, %", "percent"),
    "n_attacks": Shown("attacks", "number"),
    "goal": Shown("goal"),
    "psr_dodging": Shown("not found, %", "percent"),
    "psr_dodging_seen": Shown("by a judge it knew, %", "percent"),
    "psr_impersonation": Shown("taken for a decoy, %", "percent"),
    "psr_impersonation_unprotected": Shown("unprotected, %", "percent"),
    "rank1_originals": Shown("rank-1 in originals, %", "percent"),
    "rank1_published": Shown("rank-1 in published, %", "percent"),
    "rank1_decoy": Shown("decoy first, %", "percent"),
    "lpips": Shown("LPIPS", "unit"),
    "fid": Shown("FID", "tenths"),
    "noise_dodging": Shown("noise of that PSNR, %", "percent"),
    "beats_noise": Shown("beats noise"),
    "washed_by": Shown("best attack"),
    "washed_sar2": Shown("found then, %", "percent"),
    "landmark_error": Shown("landmarks moved", "unit"),
    "edit_identity": Shown("found in edits, %", "percent"),
    "edit_identity_unprotected": Shown("in edits of originals, %", "percent"),
    "edit_distance": Shown("edit's distance", "unit"),
    "edit_disrupted": Shown("edits spoilt, %", "percent"),
    "recovery_psnr_right": Shown("with the key, dB", "tenths"),
    "recovery_psnr_8bit": Shown("after 8 bits, dB", "tenths"),
    "recovery_psnr_wrong_key": Shown("wrong key, dB", "tenths"),
    "recovery_psnr_one_bit": Shown("one bit off, dB", "tenths"),
    "recovery_psnr_blank": Shown("key alone, dB", "tenths"),
    "recovery_psnr_ceiling": Shown("at most, dB", "tenths"),
    "key_bytes": Shown("key, bytes", "number"),
    "picture_bytes": Shown("picture, bytes", "number"),
    "kind": Shown("compared"),
    "system": Shown("on"),
    "a": Shown("A"),
    "b": Shown("B"),
    "a_value": Shown("A, %", "percent"),
    "b_value": Shown("B, %", "percent"),
    "difference": Shown("A − B, points", "points"),
    "p": Shown("p", "small"),
    "p_holm": Shown("p, corrected", "small"),
    "significant": Shown("significant"),
    "difference_sd": Shown("seeds' SD, points", "percent"),
    "n": Shown("victims", "number"),
    "depth": Shown("first"),
    "found": Shown("found, %", "percent"),
    "shuffled": Shown("by others' recoveries, %", "percent"),
    "risk_ratio": Shown("times these", "tenths"),
    "factor_of_four": Shown("beside 4"),
    "mean_face": Shown("by the mean face, %", "percent"),
    "mean_face_ratio": Shown("times it", "tenths"),
    "random_vector": Shown("by random vectors, %", "percent"),
    "random_vector_ratio": Shown("times them", "tenths"),
    "judges": Shown("judges"),
    "agreement": Shown("agree on, %", "percent"),
    "kappa": Shown("kappa", "unit"),
    "attribute_accuracy": Shown("right, %", "percent"),
    "attribute_chance": Shown("chance, %", "percent"),
    "attribute_gain": Shown("above chance, points", "points"),
    "attribute_auc": Shown("AUC", "unit"),
}


def help_for(column: str) -> str:
    """The sentence of a column; intervals borrow that of their number."""
    for suffix, words in (("_lo", "Lower end of the 95 % interval of"), ("_hi", "Upper end of the 95 % interval of")):
        if column.endswith(suffix) and column not in COLUMN_HELP:
            return f"{words} {column.removesuffix(suffix)}; of several seeds over these too."
    return COLUMN_HELP[column]
