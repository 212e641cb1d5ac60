"""Checks whether `token_probe` learns yet: it chooses patches by many images first."""

from typing import Any

import jax
import numpy as np

from jaxdet.config.model import Model
from jaxdet.config.training import Optim
from jaxdet.errors import UserError


def count_waiting(model: Model, optim: Optim, batch_stats: Any, *, steps: int) -> int:
    """Returns how many updates teach a detector nothing, since it chooses patches by their images.

    Args:
      model: the detector's options.
      optim: says how many images an update takes, in how many parts.
      batch_stats: those that the training starts from.
      steps: updates until its end; 0 where it has none.

    Raises:
      UserError: where the training would be over before it learns, naming the bank that fits.
    """
    part, parts = optim.batch_size // optim.accumulate, steps * optim.accumulate
    # The part that completes the statistics is not learned from.
    needed = sum(-(-images // part) for images in _lacking(model, batch_stats))
    if not steps or needed < parts:
        return needed // optim.accumulate
    bank = (parts - 1) // 2 * part
    fits = f"set --config.model.bank={bank} or less, or" if bank else "set"
    raise UserError(
        f"model.bank={model.bank}: {model.name} learns once it has seen {needed * part} images, "
        f"but optim.max_epochs={optim.max_epochs} shows {parts * part}; {fits} more epochs"
    )


def _lacking(model: Model, batch_stats: Any) -> list[int]:
    """Returns how many images each of the two statistics lacks; [] without any."""
    if model.name != "token_probe":
        return []
    seen = np.asarray(jax.device_get(batch_stats["counts"])).sum(1)
    return [max(0, model.bank - int(count)) for count in seen]
