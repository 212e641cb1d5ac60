"""Computes measures of test sets whose images are drawn again; sets may share real images."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from jaxdet import metrics
from jaxdet.metrics import Measure
from jaxdet.results import Predictions

# By the fields of `Overall`.
_OF_BOTH: Mapping[str, Measure] = MappingProxyType(
    {
        "ap": metrics.ap_of,
        "auc": metrics.auc_of,
        "accuracy": metrics.accuracy_at,
        "balanced_accuracy": metrics.balanced_accuracy_at,
    }
)
_OF_FAKES: Mapping[str, Measure] = MappingProxyType({"recall": metrics.tpr_at})
_OF_REALS: Mapping[str, Measure] = MappingProxyType({"accuracy_real": metrics.tnr_at})

# f64 [draws] of each measure of each set, by their names.
Drawn = Mapping[str, Mapping[str, np.ndarray]]


def draw_sets(sets: Mapping[str, Predictions], *, draws: int, seed: int) -> Drawn:
    """Returns each measure that a set defines, in each draw of its images or their groups.

    Sets are drawn independently, but real images that several share are the same in all of them.

    Args:
      sets: the rows of each.
      draws: how many; 0: none of any measure.
      seed: of the first set.
    """
    reals = metrics.shared_reals({name: one.reals_key() for name, one in sets.items()})
    drawn: dict[str, dict[str, np.ndarray]] = {}
    for place, (name, one) in enumerate(sets.items()):
        labels = set(one.label.tolist())
        measures = {
            **(_OF_BOTH if len(labels) > 1 else {}),
            **(_OF_FAKES if 1 in labels else {}),
            **(_OF_REALS if 0 in labels else {}),
        }
        shared: int | None = reals[name]
        drawn[name] = metrics.bootstrap(
            one.label, one.logit, measures, draws=draws, seed=seed + place, group=one.groups,
            real_seed=None if shared is None else [seed, shared],
        )  # fmt: skip
    return drawn
