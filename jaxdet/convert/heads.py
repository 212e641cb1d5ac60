"""Puts a head that was released by itself, as UnivFD's and RINE's were, on a tower."""

import dataclasses
from pathlib import Path

from jaxdet.convert.architectures import Network, shapes
from jaxdet.convert.choose import bare_head_keys, make_choose
from jaxdet.convert.files import read_weights
from jaxdet.convert.load import ConvertedFile, LoadedWeights
from jaxdet.convert.rules import flatten, to_jax
from jaxdet.convert.spellings import HEADS, VIT, head_arch
from jaxdet.convert.towers import head_options
from jaxdet.errors import UserError


def convert_head(
    path: Path, tower: LoadedWeights, *, arch: str | None, state_dict: str | None
) -> ConvertedFile:
    """Brings the head of a file into our form, with the arrays of its tower.

    Args:
      path: of the head.
      tower: what it stands on: a tower by itself, or a detector that has one.
      arch: the detector that the head must be of; None for any.
      state_dict: which state dict of the file, where it holds several.

    Raises:
      UserError: where the file holds no head, or one for another tower.
    """
    found = read_weights(path, make_choose(None, state_dict, source=str(path)))
    # UnivFD's layer has no name, other trainers' have one.
    bare, notes = bare_head_keys(found.arrays)
    arrays = {bare[key]: value for key, value in found.arrays.items()}
    name = head_arch(arrays)
    if name is None or arch not in (None, name):
        wanted = arch or " or ".join(HEADS)
        raise UserError(f"{path}: not the head of {wanted} alone; leave out --tower")
    # The head that the tower may have had says nothing of this one.
    options = {"normalise": False, **head_options(name, arrays)}
    model = dataclasses.replace(tower.model, name=name, **options)
    places = shapes(model)
    own = {place: shape for place, shape in places.items() if not place.startswith(VIT)}
    converted = to_jax(arrays, own, table=HEADS[name], source=str(path))
    seen = {p: a for p, a in flatten(tower.variables).items() if p.startswith(VIT)}
    return ConvertedFile(
        network=Network(model=model, spelling=tower.spelling, side=tower.crop),
        converted=dataclasses.replace(converted, arrays={**seen, **converted.arrays}),
        notes=(*found.notes, *notes),
    )
