"""What a probe read of the victims, attribute by attribute, against the label's own frequencies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
from torch import Tensor

from ..core.attributes import Attributes
from ..core.errors import ContractError
from ..core.registry import register_measurement
from ..metrics.attributes import auc_draws, auc_interval, mean_known
from ..metrics.intervals import paired_difference
from ..metrics.reidentification import by_identity
from ..record.metrics import Metric
from ..record.results import Row
from .base import Kept, Measurement
from .case import Case
from .evidence import under
from .rows import Rules, absent, measured, row_of

_LIKELY = "/likely"
_MEANS = (
    Metric("attribute_accuracy", "fraction", "higher", "Share of victims of whom the attribute is read rightly."),
    Metric("attribute_chance", "fraction", "", "What calling everybody the commonest class would reach."),
    Metric("attribute_gain", "fraction", "higher", "Accuracy above that chance, paired by person."),
    Metric("attribute_auc", "fraction", "higher", "Area under the ROC curve; one half is chance."),
)
_EACH = tuple(
    Metric(f"{one.name}:{{attribute}}", one.unit, one.better, one.says, per=frozenset({"attribute"})) for one in _MEANS
)


@register_measurement("attributes")
class AttributesRead(Measurement):
    """Accuracy, chance, the difference of the two, and AUC; macro-averaged by identity.

    Rows are called metric:attribute; without one they are means over all that were read. Chance is to call everybody
    what most public pictures are. The difference is paired by identity.
    """

    metrics: ClassVar = (*_MEANS, *_EACH)

    def skip(self, case: Case) -> str:
        return "" if case.recovery.attributes is not None else "No attribute was read."

    def observe(self, case: Case) -> Kept:
        public, known = case.faces("public").attributes, case.leaked.faces.attributes
        assert public is not None
        assert known is not None
        assert case.recovery.attributes is not None
        return readings(public, known.take(case.leaked.index), case.owner, case.recovery.attributes)

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        right, chance, draws = [], [], []
        owner, protocol = kept["people"], rules.protocol
        for place in [key.removesuffix(_LIKELY) for key in kept if key.endswith(_LIKELY)]:
            likely, truth, usual = (kept[f"{place}/{part}"] for part in ("likely", "truth", "usual"))
            right.append(by_identity(likely.argmax(1) == truth, owner).values)
            chance.append(by_identity(truth == usual, owner).values)
            draws.append(auc_draws(likely, truth, owner, rules.rng(), protocol.bootstrap))
            yield from self._rows(place, right[-1], chance[-1], draws[-1], rules, len(np.unique(owner)))
        areas = mean_known(np.stack(draws))
        yield from self._rows("", np.mean(right, axis=0), np.mean(chance, axis=0), areas, rules, len(np.unique(owner)))

    def _rows(
        self, name: str, hit: np.ndarray, base: np.ndarray, areas: np.ndarray, rules: Rules, people: int
    ) -> Iterator[Row]:
        protocol = rules.protocol
        found = (
            rules.mean(hit, rate=True),
            rules.mean(base, rate=True),
            paired_difference(hit, base, rules.rng(), protocol.bootstrap, protocol.level),
            auc_interval(areas, people, protocol.level),
        )
        for metric, interval in zip(_MEANS, found):
            row = row_of(metric, name=f"{metric.name}:{name}" if name else "")
            if interval is None:
                yield absent(row, "All victims are of one class.") | {"unit": metric.unit}
            else:
                yield measured(metric, row, interval)


def readings(public: Attributes, victims: Attributes, owner: np.ndarray, read: Mapping[str, Tensor]) -> Kept:
    """What the rows follow from.

    Args:
        public: labels of the adversary's pictures.
        victims: (L,) labels of the pictures that leaked.
        owner: (L,) whom each leak is of.
        read: attribute -> (L, classes) likelihoods.

    Returns:
        ``people`` (L,) and for each attribute ``NAME/likely`` (L, classes), ``NAME/truth`` (L,) class numbers and
        ``NAME/usual``, the class of most public pictures.

    Raises:
        ContractError: an attribute was read that the data set does not have, or with other classes.
    """
    kept: Kept = {"people": owner}
    for name, likely in read.items():
        if likely.shape[1:] != (len(victims.classes.get(name, ())),):
            raise ContractError(
                f"Attribute {name!r} was read as {tuple(likely.shape)}, its classes are {victims.classes.get(name)}."
            )
        usual = public.labels[name].bincount().argmax()
        parts = {"likely": likely, "truth": victims.labels[name], "usual": usual}
        kept |= under(name, {part: values.numpy() for part, values in parts.items()})
    return kept
