"""The suite's metrics by themselves: numbers from scores, embeddings and pictures, without a track or a run.

What each measures, its unit and its range: its docstring, and ``docs/metrics.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._lazy import lazy

if TYPE_CHECKING:
    from .bench.metrics.arrays import MetricInputError as MetricInputError
    from .bench.metrics.arrays import MetricUnavailable as MetricUnavailable
    from .bench.metrics.attributes import auc as auc
    from .bench.metrics.attributes import auc_draws as auc_draws
    from .bench.metrics.attributes import auc_interval as auc_interval
    from .bench.metrics.comparisons import exact_sign_flip_p as exact_sign_flip_p
    from .bench.metrics.comparisons import holm as holm
    from .bench.metrics.comparisons import sign_flip_p as sign_flip_p
    from .bench.metrics.distribution import KidEstimate as KidEstimate
    from .bench.metrics.distribution import frechet_distance as frechet_distance
    from .bench.metrics.distribution import kid as kid
    from .bench.metrics.distribution import real_floor as real_floor
    from .bench.metrics.geometry import landmark_error as landmark_error
    from .bench.metrics.human import d_prime_forced_choice as d_prime_forced_choice
    from .bench.metrics.human import forced_choice_rate as forced_choice_rate
    from .bench.metrics.human import kappa_free as kappa_free
    from .bench.metrics.human import rate_ratio as rate_ratio
    from .bench.metrics.intervals import Interval as Interval
    from .bench.metrics.intervals import bootstrap_identities as bootstrap_identities
    from .bench.metrics.intervals import paired_difference as paired_difference
    from .bench.metrics.intervals import subject_bootstrap_fmr as subject_bootstrap_fmr
    from .bench.metrics.intervals import wilson as wilson
    from .bench.metrics.pairs import Pairs as Pairs
    from .bench.metrics.pairs import make_pairs as make_pairs
    from .bench.metrics.perceptual import Fid as Fid
    from .bench.metrics.perceptual import Lpips as Lpips
    from .bench.metrics.quality import psnr as psnr
    from .bench.metrics.quality import ssim as ssim
    from .bench.metrics.ranking import chance as chance
    from .bench.metrics.ranking import lift as lift
    from .bench.metrics.ranking import rank_k as rank_k
    from .bench.metrics.ranking import true_ranks as true_ranks
    from .bench.metrics.reidentification import IdentityRates as IdentityRates
    from .bench.metrics.reidentification import by_identity as by_identity
    from .bench.metrics.reidentification import risk_ratio as risk_ratio
    from .bench.metrics.reidentification import sar_type1 as sar_type1
    from .bench.metrics.reidentification import sar_type2 as sar_type2
    from .bench.metrics.reidentification import shuffled as shuffled
    from .bench.metrics.reidentification import type2_pairs as type2_pairs
    from .bench.metrics.thresholds import Threshold as Threshold
    from .bench.metrics.thresholds import TooFewFalseAccepts as TooFewFalseAccepts
    from .bench.metrics.thresholds import all_pairs_scores as all_pairs_scores
    from .bench.metrics.thresholds import calibrate as calibrate
    from .bench.metrics.thresholds import impostor_counts as impostor_counts
    from .bench.metrics.unlinkability import Null as Null
    from .bench.metrics.unlinkability import Renewability as Renewability
    from .bench.metrics.unlinkability import d_sys as d_sys
    from .bench.metrics.unlinkability import maximal_linkability as maximal_linkability
    from .bench.metrics.unlinkability import permutation_null as permutation_null
    from .bench.metrics.unlinkability import renewability as renewability
    from .bench.metrics.verification import Roc as Roc
    from .bench.metrics.verification import TenFold as TenFold
    from .bench.metrics.verification import d_prime as d_prime
    from .bench.metrics.verification import eer as eer
    from .bench.metrics.verification import false_match_rate as false_match_rate
    from .bench.metrics.verification import roc as roc
    from .bench.metrics.verification import tar_at as tar_at
    from .bench.metrics.verification import tenfold_accuracy as tenfold_accuracy

# As in the package's `__init__.py`.
_MODULES = {
    "bench.metrics.arrays": "MetricInputError MetricUnavailable",
    "bench.metrics.attributes": "auc auc_draws auc_interval",
    "bench.metrics.comparisons": "exact_sign_flip_p holm sign_flip_p",
    "bench.metrics.distribution": "KidEstimate frechet_distance kid real_floor",
    "bench.metrics.geometry": "landmark_error",
    "bench.metrics.human": "d_prime_forced_choice forced_choice_rate kappa_free rate_ratio",
    "bench.metrics.intervals": "Interval bootstrap_identities paired_difference subject_bootstrap_fmr wilson",
    "bench.metrics.pairs": "Pairs make_pairs",
    "bench.metrics.perceptual": "Fid Lpips",
    "bench.metrics.quality": "psnr ssim",
    "bench.metrics.ranking": "chance lift rank_k true_ranks",
    "bench.metrics.reidentification": "IdentityRates by_identity risk_ratio sar_type1 sar_type2 shuffled type2_pairs",
    "bench.metrics.thresholds": "Threshold TooFewFalseAccepts all_pairs_scores calibrate impostor_counts",
    "bench.metrics.unlinkability": "Null Renewability d_sys maximal_linkability permutation_null renewability",
    "bench.metrics.verification": "Roc TenFold d_prime eer false_match_rate roc tar_at tenfold_accuracy",
}
HOMES, __getattr__, __dir__ = lazy(__name__, _MODULES)
__all__ = [*HOMES]
