"""Loads the weights a run begins with: random, of another run, or from a file."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jax.sharding import Mesh

from jaxdet import config as schema
from jaxdet.convert.card import Card, make_run_card, network_name, read_beside, read_model
from jaxdet.convert.folder import detector_card, is_detector
from jaxdet.convert.load import LoadedWeights, load_weights
from jaxdet.convert.snapshots import published_weights
from jaxdet.convert.towers import Facts, facts_of
from jaxdet.data.images import ImageSet
from jaxdet.errors import UserError
from jaxdet.models.adapters import TRAINED, check_rank
from jaxdet.models.architectures import architecture_of
from jaxdet.models.detector import Detector, Variables, get_detector
from jaxdet.models.towers import read_tower
from jaxdet.progress import say
from jaxdet.results import Calibration
from jaxdet.results.folder import RunFolder
from jaxdet.scoring.protocol import Protocol
from jaxdet.train.restore import RunWeights, restore_variables
from jaxdet.train.weights import describe, find_run


def training_detector(config: schema.Config) -> Detector:
    """Returns the detector of the config in the form that is trained.

    Raises:
      UserError: where it has no residual blocks to be computed again, or layers too narrow for
        adapters, as the config asks for.
    """
    if config.model.tune in TRAINED:
        tower = read_tower(config.model.tower)
        check_rank(config.model, min(tower.width, tower.mlp))
    detector = get_detector(config.model)
    return detector.rematerialised() if config.optim.rematerialise else detector


def check_init(config: schema.Config) -> None:
    """Raises UserError unless `model.init` is empty or can be read, in the network of the config.

    The values of a run's checkpoints are looked at when they are restored.
    """
    path = Path(config.model.init)
    if not config.model.init:
        return
    if find_run(path)[0] is None:
        _load_weights(path, config)
    else:
        _open_run(path, config)


def initial_variables(config: schema.Config, detector: Detector, mesh: Mesh) -> Variables:
    """Returns random variables from the seed, or those of `model.init`.

    Raises:
      UserError: where `model.init` cannot be read or is of another architecture.
    """
    if not config.model.init:
        side = config.augment.crop if detector.architecture.fixed_size else _SIZE
        return detector.random(config.seed, size=side)
    path = Path(config.model.init)
    if find_run(path)[0] is not None:
        return load_run_variables(path, config, mesh).variables
    loaded = _load_weights(path, config)
    for note in loaded.notes:
        say(f"{path}: {note}")
    if loaded.replaced:
        deviation = config.model.head_deviation
        say(f"{path}: head of another size left out, starting it at N(0, {deviation:g})")
    return loaded.variables


def _load_weights(path: Path, config: schema.Config) -> LoadedWeights:
    """Loads weights of a file or a converted folder; training starts a missing last layer anew."""
    trains, path = config.task != "eval", published_weights(path) or path
    # A folder and a card beside a file say what they are of; keys may fit several networks. Any
    # detector with a tower may be trained on a tower by itself, whose keys say that it is one.
    card = None if is_detector(path) else read_beside(path)
    arch = None if is_detector(path) else network_name(card) or config.model.name
    loaded = load_weights(
        path,
        arch=None if trains and arch in schema.PROBES else arch,
        facts=_told(config.model),
        head_seed=config.seed if trains else None,
        head_deviation=config.model.head_deviation,
        tower=read_tower(config.model.tower) if config.model.name in schema.PROBES else None,
    )
    if card is not None and network_name(card) == loaded.model.name:
        own = dataclasses.replace(read_model(card), tower=loaded.model.tower)
        loaded = dataclasses.replace(loaded, model=own)
    loaded = _under_head(loaded, config) if trains else loaded
    _check_network(path, loaded.model, config)
    _check_crop(path, loaded.model, loaded.crop, config)
    return loaded


def _under_head(loaded: LoadedWeights, config: schema.Config) -> LoadedWeights:
    """Returns a tower by itself under the random head of the detector that is trained on it."""
    found, wanted = loaded.model, config.model
    is_other = found.name != wanted.name and {found.name, wanted.name} <= set(schema.PROBES)
    if not (is_other and loaded.replaced):
        return loaded
    model = dataclasses.replace(wanted, tower=found.tower)
    fresh = get_detector(model).random(config.seed, size=read_tower(found.tower).size)
    params = {**fresh["params"], "vit": loaded.variables["params"]["vit"]}
    return dataclasses.replace(
        loaded,
        model=model,
        variables={**fresh, "params": params},
        replaced=(),
        notes=(*loaded.notes, f"a tower by itself; {model.name} on it starts at random"),
    )


def _told(model: schema.Model) -> Facts:
    """Returns what the config says of a tower that the file it starts from may not."""
    facts = facts_of(model) if model.name in schema.PROBES else {}
    return {name: facts[name] for name in ("activation", "normalisation") if facts}


# The options, besides width, tower and normalise, that shapes or what a trained head sees follow
# from.
_BINDING: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"rine": ("projection_layers",), "knn": ("bank",), "token_probe": ("tokens",)}
)
# Where parameters do not depend on the image's size, small is fast to trace.
_SIZE = 64


def _check_network(path: Path, found: schema.Model, config: schema.Config) -> None:
    """Refuses weights whose shapes cannot be those of the config, or that it may not run."""
    wanted, fitting = config.model, {config.model.name}
    # A training may start from the network that its own is built on; scores come from its own.
    if config.task != "eval":
        fitting.add(architecture_of(wanted.name).backbone)
    is_probe = found.name in schema.PROBES
    towers = {read_tower(model.tower).function for model in (found, wanted) if is_probe}
    if found.name not in fitting or found.width != wanted.width or len(towers) > 1:
        tower = f" --config.model.tower={found.tower}" if is_probe else ""
        raise UserError(
            f"model.init={path}: holds a {found.title}, the config asks for {wanted.title}; set "
            f"--config.model.name={found.name} --config.model.width={found.width}{tower}"
        )
    for option in _BINDING.get(found.name, ()):
        own = getattr(found, option)
        if found.name == wanted.name and own != getattr(wanted, option):
            raise UserError(
                f"model.init={path}: its {found.name} has {option}={own}; set "
                f"--config.model.{option}={own}"
            )
    # A tower by itself says nothing of it; a head that was trained here does.
    if found.normalise and not wanted.normalise:
        raise UserError(
            f"model.init={path}: its head takes normalised features; set "
            "--config.model.normalise=true"
        )


def _check_crop(path: Path, found: schema.Model, crop: int | None, config: schema.Config) -> None:
    """Refuses weights that take crops of one side alone, where the config has another."""
    if architecture_of(found.name).fixed_size and crop != config.eval_crop:
        raise UserError(
            f"model.init={path}: its {found.name} takes crops of {crop} pixels alone; set "
            f"--config.augment.crop={crop}"
        )


def load_run_variables(path: Path, config: schema.Config, mesh: Mesh) -> RunWeights:
    """Returns the weights of a run: by `evaluation.weights`, or as the run itself chose.

    Raises:
      UserError: where there is no checkpoint, or the run trained another model.
    """
    run, trained, step = _open_run(path, config)
    asked = config.evaluation.weights
    choice = trained.checkpoint_choice if asked == "auto" else asked
    return restore_variables(run, trained, choice, mesh, step=step)


def _open_run(path: Path, config: schema.Config) -> tuple[RunFolder, schema.Config, int | None]:
    """Returns the run at a path, its config, and the step where the path is a checkpoint of it."""
    run, step = find_run(path)
    if run is None:
        raise UserError(f"model.init={path}: neither a run nor a checkpoint of one")
    trained = schema.read_config(run.config)
    _check_network(path, trained.model, config)
    if config.model.normalise and not trained.model.normalise:
        raise UserError(
            f"model.init={path}: its head takes features as they are; set "
            "--config.model.normalise=false"
        )
    _check_crop(path, trained.model, trained.augment.crop, config)
    if not run.checkpoints.is_dir():
        raise UserError(f"{run.checkpoints}: no such folder; the run has no checkpoints")
    return run, trained, step


def weights_to_score(
    config: schema.Config,
    detector: Detector,
    mesh: Mesh,
    *,
    run: RunFolder,
    images: ImageSet | None,
) -> tuple[Variables, dict[str, Any]]:
    """Returns the variables that a run scores, and what `results.json` reports of them.

    Args:
      config: of the run.
      detector: its network.
      mesh: the devices.
      run: its folder.
      images: those that it was trained on; None where it scores the weights of `model.init`.

    Raises:
      UserError: where those cannot be read or are of another architecture.
    """
    if images is not None:
        trained = describe_training(config.train_root, images)
        found = restore_variables(run, config, config.checkpoint_choice, mesh)
        return found.variables, describe(
            found.variables,
            origin="trained here",
            choice=found.choice,
            step=found.step,
            training=trained,
        )
    origin = config.model.init
    path = Path(origin)
    if find_run(path)[0] is None:
        variables = initial_variables(config, detector, mesh)
        return variables, describe(variables, origin=origin)
    found = load_run_variables(path, config, mesh)
    return found.variables, describe(
        found.variables, origin=origin, choice=found.choice, step=found.step
    )


def stored_calibration(config: schema.Config, digest: str) -> Calibration | None:
    """Returns what validation images taught of the weights of `model.init` when they were trained.

    None where nothing is stored with them, or of another checkpoint or part of the image.

    Args:
      config: of an evaluation.
      digest: of the weights that are scored.

    Raises:
      UserError: where what is stored is damaged.
    """
    path = Path(config.model.init)
    run, _ = find_run(path)
    if run is not None:
        card: Card | None = make_run_card(run, choice="step", step=0, sha256=digest)
    else:
        card = detector_card(path) if is_detector(path) else read_beside(path)
    protocol = Protocol.of_run(config.resolved_evaluation)
    if (
        card is None
        or card.calibration is None
        or (card.digest, card.protocol) != (digest, protocol)
    ):
        return None
    source = f"{card.calibration.source} of {config.model.init}"
    return dataclasses.replace(card.calibration, source=source)


def describe_training(root: str, images: ImageSet) -> dict[str, Any]:
    """Returns what `results.json` says of the images that a run was trained on."""
    n_fake = int(images.labels.sum())
    return {
        "root": root,
        "classes": sorted({name.split("/")[0] for name in images.ids if name.count("/") > 1}),
        "n_real": len(images) - n_fake,
        "n_fake": n_fake,
    }
