"""Refuses values that options may not have, and those that cannot work together."""

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

from jaxdet.config.augment import OPERATIONS, Augment
from jaxdet.config.benchmarks import listed_benchmarks
from jaxdet.config.chains import equalising_quality, read_chains
from jaxdet.config.data import LAYOUTS
from jaxdet.config.dotted import is_dotted
from jaxdet.config.evaluation import ANALYSES, PROTOCOLS, Evaluation
from jaxdet.config.forms import flatten, list_options
from jaxdet.config.model import BANKS, CONTRASTING, PROBES, Model
from jaxdet.config.schema import Config
from jaxdet.config.training import SCHEDULES, WARMED_UP, Optim, Validation
from jaxdet.config.views import read_views
from jaxdet.errors import UserError
from jaxdet.ranges import Range, show_value
from jaxdet.workdir.files import is_step

# What has an effect on views in which nothing is drawn.
_IN_ALL_VIEWS = ("views", "resize", "resize_kernel", "decode", "crop")


def validate(config: Config) -> None:
    """Refuses options that cannot work, before any work starts.

    Raises:
      UserError: one line with every value that no option of that name may have or, where there is
        none, with all that cannot work together.
    """
    refused = validate_saved(config)
    if refused:
        raise UserError("config: " + "; ".join(refused))


def validate_saved(config: Config) -> list[str]:
    """Returns what a new run alone is refused for: a run that an earlier jaxdet saved may have it.

    A line for each option that changes nothing, or does not do what its name says.

    Raises:
      UserError: as `validate`, for all that cannot work.
    """
    problems = list(_value_problems(config)) or [
        *_joint_problems(config),
        *_evaluation_problems(config.evaluation, config.eval_crop),
    ]
    if problems:
        raise UserError("config: " + "; ".join(problems))
    return [
        *_idle_beside_views(config.augment, config.validation),
        *_idle_problems(config.model, config.optim),
        *_misleading_problems(config.optim),
    ]


def _value_problems(config: Config) -> Iterator[str]:
    """Yields what is wrong with each option by itself: no choice, or a number out of its range."""
    values = flatten(config)
    for key, field in list_options().items():
        value = values[key]
        choices, within = field.metadata["choices"], field.metadata["within"]
        if choices and value not in choices and not (key == "model.name" and is_dotted(value)):
            yield f"{key}={show_value(value)} is not one of {', '.join(choices)}"
        numbers = value if isinstance(value, tuple) else (value,)
        if within and not all(number in Range.of(within) for number in numbers):
            yield f"{key}={show_value(value)} is not {Range.of(within)}"
        elif _is_range(field) and numbers[0] > numbers[1]:
            yield f"{key}={value} is no range: its first number is the larger"


def _is_range(field: dataclasses.Field[Any]) -> bool:
    """Returns whether an option has two numbers, of which the first is the smaller."""
    kinds = typing.get_args(field.type)
    return len(kinds) == 2 and kinds[0] is kinds[1]


def _joint_problems(config: Config) -> Iterator[str]:
    augment, optim = config.augment, config.optim
    if not augment.blur_kernels or any(size % 2 == 0 for size in augment.blur_kernels):
        kernels = show_value(augment.blur_kernels)
        yield f"augment.blur_kernels={kernels} are not odd numbers of pixels"
    yield from _operation_problems(augment)
    yield from _view_problems(augment)
    unknown = sorted(set(augment.jpeg_codecs) - {"cv2", "pil"})
    if unknown or not augment.jpeg_codecs:
        yield f"augment.jpeg_codecs={show_value(augment.jpeg_codecs)} must name cv2, pil or both"
    if augment.resize and augment.resize < augment.crop:
        yield (
            f"augment.resize={augment.resize} leaves images smaller than "
            f"augment.crop={augment.crop}"
        )
    yield from _tower_problems(config.model, optim)
    if optim.loss and not is_dotted(optim.loss):
        yield f"optim.loss={show_value(optim.loss)} is not of the form package.module:Name"
    trackers = config.runtime.trackers
    if set(trackers) - {"tensorboard", "wandb"} or len(set(trackers)) < len(trackers):
        shown = show_value(trackers)
        yield f"runtime.trackers={shown} must name tensorboard, wandb or both, once each"
    yield from _schedule_problems(config)
    if config.data.balance != "none" and config.model.name == "knn":
        yield (
            f"data.balance={config.data.balance!r} shows images twice, and knn remembers each "
            "once: set data.balance='none'"
        )
    if config.data.negatives_weight > 1:
        weight = f"data.negatives_weight={config.data.negatives_weight}"
        if not config.data.negatives:
            yield f"{weight} changes nothing without data.negatives"
        elif config.model.name == "knn":
            yield f"{weight} shows images again, and knn remembers each once: set it to 1"
    yield from _part_problems(optim, config.model.norm_groups)
    if config.task == "eval" and not config.model.init:
        yield (
            "task='eval' needs weights: --config.model.init=RUN_OR_FILE; released ones: "
            "`python -m jaxdet.data fetch cnndetection-weights --root=weights`"
        )


def _schedule_problems(config: Config) -> Iterator[str]:
    """Yields what is wrong with optim.schedule, and with what needs validation where none is."""
    optim = config.optim
    if optim.schedule != "plateau" and optim.max_epochs == 0:
        yield f"optim.schedule={optim.schedule!r} needs optim.max_epochs"
    if optim.warmup and not SCHEDULES[optim.schedule]:
        yield f"optim.warmup={optim.warmup} needs optim.schedule={' or '.join(WARMED_UP)}"
    if config.task != "eval" and config.data.validation == "none":
        if optim.schedule == "plateau":
            yield "optim.schedule='plateau' needs validation, but data.validation='none'"
        if config.evaluation.weights not in ("auto", "latest"):
            yield (
                f"evaluation.weights={config.evaluation.weights!r} is chosen by validation, but "
                "data.validation='none'"
            )


def _operation_problems(augment: Augment) -> Iterator[str]:
    """Yields what is wrong with augment.operations."""
    names = augment.operations
    for name in names:
        if name not in OPERATIONS and not is_dotted(name):
            known = ", ".join(OPERATIONS)
            yield f"augment.operations: {name[:80]!r} is not one of {known}, nor module:Name"
    if len(set(names)) < len(names):
        yield "augment.operations names one twice"
    if "crop" not in names:
        yield "augment.operations lacks crop"
    elif "resize" in names[names.index("crop") :]:
        yield "augment.operations: resize stands behind crop"
    for name in (name for name in OPERATIONS if name not in names):
        for option in (name, f"{name}_probability"):
            value = getattr(augment, option, None)
            # A default asks for nothing.
            if value and value != getattr(Augment(), option):
                yield f"augment.{option}={value}, but augment.operations lacks {name}"
    if augment.coupling == "joint" and augment.blur_probability and "jpeg" not in names:
        yield "augment.coupling='joint' compresses what is blurred: augment.operations lacks jpeg"
    if augment.decode == "scaled" and (not augment.resize or names[:1] != ("resize",)):
        yield (
            "augment.decode='scaled' needs augment.resize as the first of augment.operations: no "
            "pixels are spared without it"
        )


def _view_problems(augment: Augment) -> Iterator[str]:
    """Yields what is wrong with augment.views."""
    try:
        views = read_views(augment.views)
    except UserError as error:
        yield str(error)
        return
    if augment.scope == "batch" and any(view.draw is not None for view in views):
        yield "augment.views: augmented:K needs augment.scope='image': batches differ each epoch"


def _idle_beside_views(augment: Augment, validation: Validation) -> Iterator[str]:
    """Yields what would change nothing beside augment.views."""
    views = read_views(augment.views)
    is_drawn = not views or any(view.draw is not None for view in views)
    # That draws by all of them, whatever training looks at.
    if is_drawn or validation.augment == "published":
        return
    for field in dataclasses.fields(augment):
        value = getattr(augment, field.name)
        if field.name not in _IN_ALL_VIEWS and value != getattr(Augment(), field.name):
            yield (
                f"augment.{field.name}={show_value(value)} changes nothing: augment.views names no "
                "augmented:K"
            )


def _tower_problems(model: Model, optim: Optim) -> Iterator[str]:
    """Yields what is asked for that needs a tower, its training or a head of its own."""
    given = (
        (f"model.tune={model.tune!r}", model.tune != "all", PROBES),
        (f"optim.layer_decay={optim.layer_decay}", optim.layer_decay != 1, PROBES),
        (f"optim.contrastive={optim.contrastive}", optim.contrastive > 0, CONTRASTING),
        (f"optim.supcon={optim.supcon}", optim.supcon > 0, ("rine",)),
    )
    for option, is_given, names in given:
        if is_given and model.name not in names:
            yield f"{option} needs model.name={' or '.join(names)}, not {model.name}"
    losses = [option for option, is_given, _ in given[2:] if is_given]
    losses += [f"optim.loss={optim.loss}"] if optim.loss else []
    if len(losses) > 1:
        yield f"{' and '.join(losses)} do not go together"
    if optim.loss and model.name == "token_probe":
        yield f"optim.loss={optim.loss}: {model.name} has a loss of its own"
    if model.name in BANKS and model.tune != "head":
        yield f"model.name={model.name!r} has no gradient for its tower: set model.tune='head'"


def _idle_problems(model: Model, optim: Optim) -> Iterator[str]:
    """Yields what is asked for that would change nothing, beside what else is asked for."""
    stays = f"model.tune={model.tune!r}"
    still = f"model.name={model.name!r} learns by what it remembers, not by a gradient"
    reasons = {
        "optim.contrastive": model.name == "linear_probe" and model.tune == "head"
        and f"{stays} leaves the features of linear_probe as they are",
        "optim.layer_decay": model.tune == "head" and f"{stays} trains no layer of the tower",
        "optim.ema": model.name in BANKS and still,
        "optim.loss": model.name in BANKS and still,
        "model.tune_rank": model.tune not in ("lora", "svd") and f"{stays} has no adapters",
        "model.tune_alpha": model.tune != "lora" and f"{stays} has no such scale",
        "model.normalise": model.name != "linear_probe" and f"{model.name} has no such switch",
    }  # fmt: skip
    for key, reason in reasons.items():
        section, name = key.split(".")
        given = {"model": model, "optim": optim}[section]
        value = getattr(given, name)
        if reason and value != getattr(type(given)(), name):
            yield f"{key}={show_value(value)} changes nothing: {reason}"


def _misleading_problems(optim: Optim) -> Iterator[str]:
    """Yields what would be another thing than it is called."""
    if optim.supcon and optim.accumulate > 1:
        yield (
            f"optim.supcon={optim.supcon} compares all images of a batch, and with "
            f"optim.accumulate={optim.accumulate} those of a part alone: set optim.accumulate=1"
        )


def _part_problems(optim: Optim, groups: int) -> Iterator[str]:
    """Yields what is wrong with the parts of optim.accumulate and their model.norm_groups."""
    whole = f"optim.batch_size={optim.batch_size}"
    part = optim.batch_size // optim.accumulate
    if optim.batch_size % optim.accumulate:
        yield f"optim.accumulate={optim.accumulate} does not divide {whole}"
    elif part % groups:
        divided = whole if optim.accumulate == 1 else f"a part of the batch, {part} images"
        yield f"model.norm_groups={groups} does not divide {divided}"


def _benchmark_problems(evaluation: Evaluation) -> Iterator[str]:
    found = listed_benchmarks(evaluation)
    for text, one in zip(evaluation.benchmarks, found, strict=True):
        if not one.root or not is_step(one.name) or "." in one.name:
            yield f"evaluation.benchmarks: {text[:80]!r} is not NAME=ROOT, a NAME without dots"
        elif one.layout not in ("auto", *LAYOUTS):
            known = ", ".join(LAYOUTS)
            yield f"evaluation.benchmarks: {text[:80]!r}: the layout is not one of {known}"
    if len({one.name for one in found}) < len(found):
        yield "evaluation.benchmarks gives two benchmarks one name"


def _evaluation_problems(evaluation: Evaluation, crop: int) -> Iterator[str]:
    named = (
        ("protocols", evaluation.protocols, PROTOCOLS),
        ("analyses", evaluation.analyses, ANALYSES),
    )
    for key, given, known in named:
        for name in given:
            if name not in known:
                yield f"evaluation.{key}: {show_value(name)} is not one of {', '.join(known)}"
    yield from _benchmark_problems(evaluation)
    try:
        read_chains(evaluation.chains)
        equalising_quality(evaluation.equalise)
    except UserError as error:
        yield str(error)
    if not evaluation.protocols:
        yield "evaluation.protocols names none"
    if "resize" in evaluation.protocols and evaluation.resize < crop:
        yield f"evaluation.resize={evaluation.resize} leaves images smaller than the crop of {crop}"
    for key in ("protocols", "blur_sigmas", "jpeg_qualities", "scales", "noise_sigmas"):
        given = getattr(evaluation, key)
        # As in the names of their folders.
        names = {one if isinstance(one, str) else f"{one:g}" for one in given}
        if len(names) < len(given):
            yield f"evaluation.{key}={show_value(given)} names one twice"
