"""Finds the table of rules of an architecture, and the architectures of a state dict."""

import dataclasses
import difflib
import functools
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from jaxdet.config.model import PROBES, Model
from jaxdet.convert.keys import ignored, match
from jaxdet.convert.resnet import DCT, DCT_LOG, NPR, RESNET
from jaxdet.convert.rules import Table, flatten
from jaxdet.convert.small_networks import COOCCURRENCE, DCGAN, FORENSIC_TRANSFER
from jaxdet.convert.spellings import HEADS, PROBE_TABLES
from jaxdet.convert.state_dicts import shorten
from jaxdet.convert.towers import Facts, fits_shapes, measure, sketch, spelling_of
from jaxdet.convert.vgg import VGG11, VGG11_BN
from jaxdet.errors import UserError
from jaxdet.models.architectures import architecture_of
from jaxdet.models.detector import get_detector

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        "resnet18": RESNET,
        "resnet34": RESNET,
        "resnet50": RESNET,
        "vgg11": VGG11,
        "vgg11_bn": VGG11_BN,
        "dct_resnet18": DCT,
        "dct_resnet50": DCT,
        "dct_log_resnet18": DCT_LOG,
        "dcgan": DCGAN,
        "image_resnet34": RESNET,
        "spectrum_resnet34": RESNET,
        "cooccurrence": COOCCURRENCE,
        "forensic_transfer": FORENSIC_TRANSFER,
        "npr": NPR,
        "resnet50_nodown": RESNET,
    }
)
# The detectors whose weights may lie in torch's files.
CONVERTIBLE = (*TABLES, *HEADS)
# All tables: a detector with a tower has one for each spelling of the tower's names.
_EVERY = tuple(
    [(arch, "", table) for arch, table in TABLES.items()]
    + [(arch, name, table) for arch in HEADS for name, table in PROBE_TABLES.items()]
)
# Where parameters do not depend on the image's size, small is fast to trace.
_SIZE = 64
# A larger one is no crop of pixels, and would take memory to trace.
_LARGEST_SIDE = 4096


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """Identifies which network weights are of.

    Attributes:
      model: its options.
      spelling: whose names a tower's arrays have in the file; "" where there is no tower.
      side: of the only crops that it takes, pixels; None where it takes any.
      resize: shorter side to which its images are resized before, pixels; 0 where that is not
        known of its kind.
    """

    model: Model
    spelling: str = ""
    side: int | None = None
    resize: int = 0

    @property
    def table(self) -> Table:
        """Returns the rules by which its file is converted."""
        return _table(self.model.name, self.spelling)


def check_arch(arch: str) -> None:
    """Raises UserError where there is no architecture of that name."""
    if arch not in CONVERTIBLE:
        nearest = difflib.get_close_matches(arch, CONVERTIBLE, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise UserError(f"--arch={shorten(arch)} is not one of {', '.join(CONVERTIBLE)}{hint}")


def table_of(model: Model, spelling: str = "") -> Table:
    """Returns the rules of a network, a tower's in this spelling or in the first that has all."""
    if model.name in PROBES:
        spelling = spelling_of(model, [*shapes(model)], spelling)
    return _table(model.name, spelling)


def _table(arch: str, spelling: str) -> Table:
    return PROBE_TABLES[spelling] if arch in HEADS else TABLES[arch]


@functools.lru_cache
def shapes(model: Model, *, side: int | None = None) -> dict[str, tuple[int, ...]]:
    """Returns every place of the detector's variables and its shape.

    Args:
      model: the detector.
      side: of the crops, in pixels, where the shapes depend on it.
    """
    architecture = architecture_of(model.name)
    if architecture.backbone:
        # The same network behind another front-end.
        return shapes(dataclasses.replace(model, name=architecture.backbone), side=side)
    size = side or architecture.side(model) or _SIZE
    tree = jax.eval_shape(lambda: get_detector(model).init(jax.random.key(0), size=size))
    return {place: tuple(leaf.shape) for place, leaf in flatten(tree).items()}


def identify(
    state_dict: Mapping[str, np.ndarray],
    arch: str | None,
    *,
    source: str,
    beside: Callable[[], Facts] = dict,
    told: Facts = MappingProxyType({}),
) -> Network:
    """Identifies the network of weights, and which crops it takes where it takes one side alone.

    Args:
      state_dict: by torch's key.
      arch: the name of the network, which the keys must fit; None to find it from them.
      source: what errors call the weights.
      beside: returns what files beside theirs say of a tower; asked where it is one.
      told: what somebody told of it.

    Raises:
      UserError: where they fit none, or several and none is named, or a fact is missing.
    """
    given = {key: value for key, value in state_dict.items() if ignored(key) is None}
    name = arch or _only(fitting(given), given, source=source)
    if name in PROBES:
        spelling = _spelling(name, given, beside=beside, source=source)
        model = measure(name, spelling, given, beside=beside(), told=told, source=source)
        return Network(model=model, spelling=spelling, side=architecture_of(name).side(model))
    others = [] if set(given) == keys_of(name) else fitting(given)
    also = f"{name} but of {' or '.join(others)}" if others else name
    match(keys_of(name), [*given], source=source, network=also)
    width = _width(state_dict[TABLES[name].stem], name, source=source)
    side = _side(state_dict, name, width, source=source)
    return Network(model=Model(name=name, width=width), side=side)


def _spelling(
    arch: str, given: Mapping[str, np.ndarray], *, beside: Callable[[], Facts], source: str
) -> str:
    """Returns the spelling of a probe that keys fit; raises UserError with what differs."""
    fitting = [name for name, table in PROBE_TABLES.items() if _fits(arch, table, given)]
    if len(fitting) > 1:
        classes = beside().get("classes")
        shaped = (name for name in fitting if fits_shapes(PROBE_TABLES[name], given, classes))
        return next(shaped, fitting[0])
    if fitting:
        return fitting[0]
    known = {
        name: sum(bool(table.places(k)) for k in given) for name, table in PROBE_TABLES.items()
    }
    nearest = max(known, key=known.__getitem__)
    table = PROBE_TABLES[nearest]
    near = sketch(arch, table, given) or Model(name=arch)
    keys = {place: table.key(place) for place in shapes(near) if table.covers(place)}
    for place in table.lacking(keys, given):
        del keys[place]
    match(keys.values(), [*given], source=source, network=f"{arch} in the names of {nearest}")
    raise UserError(f"{source}: not the weights of {arch}")


def stems(arch: str | None) -> tuple[set[str], set[str]]:
    """Returns the keys of the first kernels of an architecture, or of all: of towers, of others."""
    found: tuple[set[str], set[str]] = (set(), set())
    for name, _, table in _EVERY:
        if arch in (None, name):
            found[name not in PROBES].add(table.stem)
    return found


def is_key(arch: str, key: str) -> bool:
    """Returns whether an architecture has a place for a key, in any spelling."""
    if arch in PROBES:
        return any(table.places(key) for table in PROBE_TABLES.values())
    return key in keys_of(arch)


def count_known(keys: Collection[str], arch: str | None) -> int:
    """Returns how many of the keys are those of an architecture, or of the one with the most."""
    most = 0
    for name, _, table in _EVERY:
        if name == arch or (arch is None and table.stem in keys):
            known = map(table.places, keys) if name in PROBES else keys_of(name).intersection(keys)
            most = max(most, sum(map(bool, known)))
    return most


def fitting(keys: Collection[str]) -> list[str]:
    """Returns the architectures that have exactly these keys."""
    given = {key for key in keys if ignored(key) is None}
    found = (arch for arch, _, t in _EVERY if t.stem in given and _fits(arch, t, given))
    return list(dict.fromkeys(found))


def _fits(arch: str, table: Table, given: Collection[str]) -> bool:
    if arch not in PROBES:
        return keys_of(arch) == given
    model = sketch(arch, table, given)
    places = shapes(model) if model else ()
    if not places or not all(map(table.covers, places)):
        return False
    keys = {place: table.key(place) for place in places}
    lacking = table.lacking(keys, given)
    return {key for place, key in keys.items() if place not in lacking} == set(given)


@functools.cache
def keys_of(arch: str) -> frozenset[str]:
    """Returns torch's keys of an architecture, the same at any width and for any crops.

    Of a probe those with OpenAI's CLIP ViT-L/14.
    """
    table = table_of(Model(name=arch))
    return frozenset(table.key(place) for place in shapes(Model(name=arch)))


def check_side(arch: str, side: Any, *, source: str) -> int:
    """Returns the side of the crops that weights were trained on.

    Raises:
      UserError: where the network takes no crops of that side.
    """
    takes = architecture_of(arch)
    is_possible = type(side) is int and takes.smallest <= side <= _LARGEST_SIDE
    if not is_possible or side % takes.multiple:
        raise UserError(f"{source}: {arch} takes no crops of {side!r:.20} pixels")
    return side


def _only(names: list[str], given: Collection[str], *, source: str) -> str:
    """Returns the only one of the architectures that keys fit; raises UserError otherwise."""
    if len(names) == 1:
        return names[0]
    if names:
        raise UserError(
            f"{source}: the weights fit {' and '.join(names)}, which look at an image in "
            "different ways; say which they are of with --arch=NAME"
        )
    near = [arch for arch, table in TABLES.items() if table.stem in given]
    if not near and any(table.stem in given for table in PROBE_TABLES.values()):
        return "linear_probe"  # whose names are then compared
    if near:
        nearest = min(near, key=lambda arch: len(keys_of(arch).symmetric_difference(given)))
        match(keys_of(nearest), [*given], source=source, network=f"{nearest}, which is nearest")
    shown = ", ".join(map(shorten, sorted(given)[:3])) or "nothing"
    raise UserError(
        f"{source}: {len(given)} arrays ({shown}, ...) are the weights of none of "
        f"{', '.join(CONVERTIBLE)}; name the nearest with --arch=NAME to see what "
        "differs"
    )


def _width(stem: np.ndarray, arch: str, *, source: str) -> int:
    """Returns `model.width` of the network whose first kernel has torch's shape."""
    # A width is a multiplier of all shapes: an absurd one is refused before anything is traced.
    if stem.ndim != 4 or not 1 <= stem.shape[0] <= 1024:
        raise UserError(
            f"{source}: {TABLES[arch].stem} has shape {stem.shape}, no first layer of {arch}"
        )
    return stem.shape[0]


def _side(
    state_dict: Mapping[str, np.ndarray], arch: str, width: int, *, source: str
) -> int | None:
    table = TABLES[arch]
    if not table.sized:
        return None
    shape = state_dict[table.sized].shape
    if len(shape) < 2:
        raise UserError(f"{source}: {table.sized} has shape {shape}, which is none of {arch}")
    return check_side(arch, table.side(shape, width), source=f"{source}: {table.sized}")
