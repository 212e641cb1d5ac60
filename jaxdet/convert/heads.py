"""Puts a head that was released by itself, as UnivFD's and RINE's were, on a tower."""

import dataclasses
from pathlib import Path

import numpy as np

from jaxdet.convert.architectures import Network, shapes
from jaxdet.convert.card import Card, beside, read_model
from jaxdet.convert.choose import bare_head_keys, make_choose
from jaxdet.convert.files import read_weights
from jaxdet.convert.fit import unprojected
from jaxdet.convert.layers import VIT
from jaxdet.convert.load import ConvertedFile, LoadedWeights, with_collections
from jaxdet.convert.rules import Arrays, flatten, to_jax
from jaxdet.convert.spellings import HEADS, head_arch
from jaxdet.convert.towers import head_options
from jaxdet.errors import UserError
from jaxdet.models.towers import read_tower

_AS_THEY_ARE = (
    "its features are taken as they are; if it was trained on features divided by their norm "
    "(ClipBased, SSAFE), convert it again with --normalise"
)


def convert_head(
    path: Path,
    tower: LoadedWeights,
    *,
    arch: str | None,
    state_dict: str | None,
    normalise: bool = False,
) -> ConvertedFile:
    """Brings the head of a file into our form, with the arrays of its tower.

    Args:
      path: of the head.
      tower: what it stands on: a tower by itself, or a detector that has one.
      arch: the detector that the head must be of; None for any.
      state_dict: which state dict of the file, where it holds several.
      normalise: whether it takes features divided by their norm, which no file says.

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
    tower, dropped = _under(arrays, tower)
    model = dataclasses.replace(tower.model, name=name, **options)
    places = shapes(model)
    own = {place: shape for place, shape in places.items() if not place.startswith(VIT)}
    converted = to_jax(arrays, own, table=HEADS[name], source=str(path))
    seen = {p: a for p, a in flatten(tower.variables).items() if p.startswith(VIT)}
    file = ConvertedFile(
        network=Network(model=model, spelling=tower.spelling, side=tower.crop),
        converted=dataclasses.replace(converted, arrays={**seen, **converted.arrays}),
        notes=(*found.notes, *notes, *dropped),
    )
    if normalise:
        return normalised(file, None, path)
    if name == "linear_probe":
        return dataclasses.replace(file, notes=(*file.notes, _AS_THEY_ARE))
    return file


def _under(head: Arrays, tower: LoadedWeights) -> tuple[LoadedWeights, tuple[str, ...]]:
    """Returns a tower without its projection, said in a sentence, where a head takes no other."""
    own = read_tower(tower.model.tower)
    inputs = head.get("weight", np.zeros(0)).shape[-1]
    if not own.projection or inputs != own.width or inputs == own.dim:
        return tower, ()
    model, arrays, note = unprojected(tower.model, flatten(tower.variables))
    return dataclasses.replace(tower, model=model, variables=with_collections(arrays)), (note,)


def normalised(file: ConvertedFile, card: Card | None, path: Path) -> ConvertedFile:
    """Returns a linear probe as one whose features are divided by their norm.

    Args:
      file: its weights.
      card: what lies beside them, if anything does.
      path: of the file, for messages.

    Raises:
      UserError: where there is no such head, or the card says otherwise.
    """
    model = file.network.model
    if model.name != "linear_probe" or file.converted.coverage.replaced:
        raise UserError(f"--normalise: {path} holds no head of linear_probe; leave it out")
    if card is not None and not read_model(card).normalise:
        raise UserError(f"--normalise: {beside(path)} says that features are not; leave it out")
    network = dataclasses.replace(file.network, model=dataclasses.replace(model, normalise=True))
    return dataclasses.replace(file, network=network)
