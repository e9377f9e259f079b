"""Which columns of each board the page shows, in this order."""

from __future__ import annotations

DEFENSES_SHOWN = (
    "defense", "rank", "sar2", "worst_attack", "identity_sar2", "floor_sar2", "floor", "accuracy_diff", "matched",
    "pareto", "flags", "accuracy", "tar", "judge", "identity_attack", "identity_judge", "sar1", "target_sar2",
    "target_sar1", "rank1", "rank1_chance", "psnr", "ssim", "d_sys_excess", "protect_ms", "leak_bytes", "utility",
    "recognizer_init", "sar2_sd", "n_seeds", "n_failed",
)  # fmt: skip
ATTACKS_SHOWN = (
    "attack", "knowledge", "role", "status", "sar2", "flags", "mean_sar2", "n_defenses", "sar1", "target_sar2", "rank1",
    "rank1_chance", "psnr", "ssim", "judge", "train_s", "invert_s", "n_queries", "params", "sar2_sd",
    "n_seeds", "n_failed",
)  # fmt: skip
TRANSFER_SHOWN = (
    "recognizer", "judge", "surface", "dataset", "mean_undefended_sar2", "strongest_attack", "strongest_sar2",
    "n_attacks",
)  # fmt: skip
PUBLICATION_SHOWN = (
    "defense", "goal", "psr_dodging", "noise_dodging", "beats_noise", "psr_dodging_seen", "rank1_originals",
    "rank1_published", "washed_sar2", "washed_by", "identity_sar2", "psnr", "ssim", "lpips", "fid",
    "landmark_error", "psr_impersonation", "psr_impersonation_unprotected", "rank1_decoy", "edit_identity",
    "edit_identity_unprotected", "edit_distance", "edit_disrupted", "recovery_psnr_right", "recovery_psnr_8bit",
    "recovery_psnr_wrong_key", "recovery_psnr_one_bit", "recovery_psnr_blank", "recovery_psnr_ceiling",
    "key_bytes", "picture_bytes", "protect_ms", "judge",
)  # fmt: skip
SIGNIFICANCE_SHOWN = (
    "kind", "system", "judge", "a", "a_value", "b", "b_value", "difference", "p_holm", "significant", "n",
    "difference_sd", "n_seeds",
)  # fmt: skip
RISK_SHOWN = (
    "defense", "attack", "knowledge", "depth", "found", "shuffled", "risk_ratio", "factor_of_four", "mean_face",
    "mean_face_ratio", "random_vector", "random_vector_ratio", "judge", "n_seeds",
)  # fmt: skip
JUDGES_SHOWN = ("defense", "attack", "knowledge", "role", "judges", "agreement", "kappa", "n_seeds")
ATTRIBUTES_SHOWN = (
    "defense", "attack", "knowledge", "role", "status", "attribute_auc", "attribute_gain", "attribute_accuracy",
    "attribute_chance", "flags", "n_seeds", "n_failed",
)  # fmt: skip
