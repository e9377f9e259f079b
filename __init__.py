"""faceleak: how much of a face leaks out of what face recognisers store, send or publish, and what stops it.

Everything that a plug-in or a script needs is a name of this module, imported when it is first asked for: ``import
faceleak`` takes no torch. ``docs/python.md`` shows how they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._lazy import lazy
from ._version import __version__

if TYPE_CHECKING:
    from . import metrics as metrics
    from .attacks.base import Attack as Attack
    from .bench.core.anatomy import Anatomy as Anatomy
    from .bench.core.attributes import Attributes as Attributes
    from .bench.core.checks import check_images as check_images
    from .bench.core.checks import check_vectors as check_vectors
    from .bench.core.context import AttackContext as AttackContext
    from .bench.core.context import FitContext as FitContext
    from .bench.core.errors import BudgetError as BudgetError
    from .bench.core.errors import ContractError as ContractError
    from .bench.core.errors import DataError as DataError
    from .bench.core.errors import FaceleakError as FaceleakError
    from .bench.core.errors import InputError as InputError
    from .bench.core.errors import NoGradientError as NoGradientError
    from .bench.core.errors import NotApplicable as NotApplicable
    from .bench.core.errors import RegistryError as RegistryError
    from .bench.core.errors import ThreatModelError as ThreatModelError
    from .bench.core.errors import TrackError as TrackError
    from .bench.core.faces import FaceSet as FaceSet
    from .bench.core.faces import resize as resize
    from .bench.core.leaks import Leak as Leak
    from .bench.core.leaks import flatten_leak as flatten_leak
    from .bench.core.leaks import leak_cat as leak_cat
    from .bench.core.leaks import leak_length as leak_length
    from .bench.core.leaks import leak_map as leak_map
    from .bench.core.leaks import leak_shape as leak_shape
    from .bench.core.leaks import leak_take as leak_take
    from .bench.core.leaks import leak_to as leak_to
    from .bench.core.parallel import distributed as distributed
    from .bench.core.paths import expand as expand_path  # noqa: F401
    from .bench.core.progress import Progress as Progress
    from .bench.core.recovery import Recovery as Recovery
    from .bench.core.registry import load_plugin as load_plugin
    from .bench.core.registry import register_attack as register_attack
    from .bench.core.registry import register_dataset as register_dataset
    from .bench.core.registry import register_defense as register_defense
    from .bench.core.registry import register_measurement as register_measurement
    from .bench.core.registry import register_recognizer as register_recognizer
    from .bench.core.secrets import SecretDraw as SecretDraw
    from .bench.core.secrets import SecretSource as SecretSource
    from .bench.core.seeding import Rng as Rng
    from .bench.core.surfaces import Fidelity as Fidelity
    from .bench.core.surfaces import Goal as Goal
    from .bench.core.surfaces import Role as Role
    from .bench.core.surfaces import Secret as Secret
    from .bench.core.surfaces import Surface as Surface
    from .bench.core.target import Target as Target
    from .bench.core.threat import DefenseKnowledge as DefenseKnowledge
    from .bench.core.threat import RecognizerAccess as RecognizerAccess
    from .bench.core.threat import ThreatModel as ThreatModel
    from .bench.core.training import Batch as Batch
    from .bench.core.training import TrainLog as TrainLog
    from .bench.core.training import TrainSettings as TrainSettings
    from .bench.core.training import train as train
    from .bench.front.board import benchmark as benchmark
    from .bench.front.faces import face_set as face_set
    from .bench.front.faces import load_faces as load_faces
    from .bench.front.leakage import attack as attack
    from .bench.front.networks import recognizer as recognizer
    from .bench.front.results import load_results as load_results
    from .bench.front.score import score as score
    from .bench.front.system import Leaked as Leaked
    from .bench.front.system import System as System
    from .bench.front.system import protect as protect
    from .bench.measure.base import Measurement as Measurement
    from .bench.measure.case import Case as Case
    from .bench.measure.rows import Rules as Rules
    from .bench.plan.track import Track as Track
    from .bench.plan.track import load_track as load_track
    from .bench.recognizers.base import BuildContext as BuildContext
    from .bench.recognizers.base import Recognizer as Recognizer
    from .bench.record.metrics import Metric as Metric
    from .bench.report import make_report as make_report
    from .datasets.base import DataSettings as DataSettings
    from .datasets.base import FaceDataset as FaceDataset
    from .datasets.base import LoadContext as LoadContext
    from .defenses.base import Defense as Defense

# Module -> its public names. `expand:expand_path`: another name for `expand`; `:metrics`: the module itself. Inner
# paths may move, these names stay. Type checkers read the imports above; a test holds the two together.
_MODULES = {
    "metrics": ":metrics",
    "attacks.base": "Attack",
    "bench.core.anatomy": "Anatomy",
    "bench.core.attributes": "Attributes",
    "bench.core.checks": "check_images check_vectors",
    "bench.core.context": "AttackContext FitContext",
    "bench.core.errors": (
        "BudgetError ContractError DataError FaceleakError InputError NoGradientError NotApplicable RegistryError "
        "ThreatModelError TrackError"
    ),
    "bench.core.faces": "FaceSet resize",
    "bench.core.leaks": "Leak flatten_leak leak_cat leak_length leak_map leak_shape leak_take leak_to",
    "bench.core.paths": "expand:expand_path",
    "bench.core.progress": "Progress",
    "bench.core.recovery": "Recovery",
    "bench.core.registry": (
        "load_plugin register_attack register_dataset register_defense register_measurement register_recognizer"
    ),
    "bench.core.secrets": "SecretDraw SecretSource",
    "bench.core.seeding": "Rng",
    "bench.core.surfaces": "Fidelity Goal Role Secret Surface",
    "bench.core.target": "Target",
    "bench.core.threat": "DefenseKnowledge RecognizerAccess ThreatModel",
    "bench.core.parallel": "distributed",
    "bench.core.training": "Batch TrainLog TrainSettings train",
    "bench.front.board": "benchmark",
    "bench.front.faces": "face_set load_faces",
    "bench.front.leakage": "attack",
    "bench.front.networks": "recognizer",
    "bench.front.results": "load_results",
    "bench.front.score": "score",
    "bench.front.system": "Leaked System protect",
    "bench.measure.base": "Measurement",
    "bench.measure.case": "Case",
    "bench.measure.rows": "Rules",
    "bench.recognizers.base": "BuildContext Recognizer",
    "bench.record.metrics": "Metric",
    "bench.report": "make_report",
    "bench.plan.track": "Track load_track",
    "datasets.base": "DataSettings FaceDataset LoadContext",
    "defenses.base": "Defense",
}
HOMES, __getattr__, __dir__ = lazy(__name__, _MODULES)
__all__ = ["__version__", *HOMES]
