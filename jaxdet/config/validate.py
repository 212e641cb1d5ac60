"""Which options cannot work together."""

import dataclasses
import typing
from typing import Any

from jaxdet.config.forms import flatten
from jaxdet.config.schema import ANALYSES, PROTOCOLS, Config, Evaluation, Optim
from jaxdet.errors import UserError


def validate(config: Config) -> None:
    """Refuses options that cannot work, before any work starts.

    Raises:
      UserError: one line with every problem found.
    """
    problems = [
        *_choice_problems(config),
        *_range_problems(config),
        *_joint_problems(config),
        *_evaluation_problems(config.evaluation, config.eval_crop),
    ]
    if problems:
        raise UserError("config: " + "; ".join(problems))


def _choice_problems(config: Config) -> typing.Iterator[str]:
    for section in (config, *_sections(config).values()):
        prefix = _prefix(config, section)
        for field in dataclasses.fields(section):
            choices = field.metadata.get("choices") or ()
            value = getattr(section, field.name)
            if choices and value not in choices:
                yield f"{prefix}{field.name}={value!r} is not one of {', '.join(choices)}"


def _range_problems(config: Config) -> typing.Iterator[str]:
    flat = flatten(config)
    for key in ("augment.blur_probability", "augment.jpeg_probability", "augment.flip_probability",
                "augment.noise_probability"):  # fmt: skip
        if not 0 <= flat[key] <= 1:
            yield f"{key}={flat[key]} is not between 0 and 1"
    for key in ("data.fraction", "data.val_fraction"):
        if not 0 < flat[key] <= 1:
            yield f"{key}={flat[key]} is not above 0 and at most 1"
    for key in ("optim.batch_size", "optim.learning_rate", "augment.crop", "model.width",
                "model.norm_groups", "plateau.patience", "checkpoint.keep_latest",
                "optim.accumulate", "runtime.log_every", "data.max_pixels", "evaluation.resize",
                "evaluation.two_shot_crops", "evaluation.spectrum_images",
                "optim.decay_every", "optim.decay_factor", "model.head_deviation"):  # fmt: skip
        if not flat[key] > 0:
            yield f"{key}={flat[key]} is not above 0"
    for key in ("augment.resize", "optim.max_epochs", "evaluation.crop", "evaluation.batch_size",
                "evaluation.bootstrap", "evaluation.two_shot", "checkpoint.every_steps",
                "data.num_classes", "runtime.devices", "seed", "optim.max_skipped",
                "runtime.hang_seconds"):  # fmt: skip
        if flat[key] < 0:
            yield f"{key}={flat[key]} is below 0"


def _joint_problems(config: Config) -> typing.Iterator[str]:
    augment, optim = config.augment, config.optim
    low, high = augment.jpeg_quality
    if not 1 <= low <= high <= 100:
        yield f"augment.jpeg_quality={augment.jpeg_quality} is not a range within 1..100"
    for key in ("blur_sigma", "noise_sigma"):
        low_sigma, high_sigma = getattr(augment, key)
        if not 0 <= low_sigma <= high_sigma:
            yield f"augment.{key}={getattr(augment, key)} is not a range from 0 up"
    if not 1 <= augment.jpeg_quality_cap <= 100:
        yield f"augment.jpeg_quality_cap={augment.jpeg_quality_cap} is not within 1..100"
    if not augment.blur_kernels or any(size < 1 or size % 2 == 0 for size in augment.blur_kernels):
        yield f"augment.blur_kernels={augment.blur_kernels} are not odd numbers of pixels"
    unknown = sorted(set(augment.jpeg_codecs) - {"cv2", "pil"})
    if unknown or not augment.jpeg_codecs:
        yield f"augment.jpeg_codecs={augment.jpeg_codecs} must name cv2, pil or both"
    if augment.resize and augment.resize < augment.crop:
        yield (
            f"augment.resize={augment.resize} leaves images smaller than "
            f"augment.crop={augment.crop}"
        )
    if optim.schedule != "plateau" and optim.max_epochs == 0:
        yield f"optim.schedule={optim.schedule!r} needs optim.max_epochs"
    if config.plateau.factor <= 1:
        yield f"plateau.factor={config.plateau.factor} is not above 1"
    yield from _part_problems(optim, config.model.norm_groups)
    if config.task == "eval" and not config.model.init:
        yield "task='eval' needs weights: --config.model.init=PATH"


def _part_problems(optim: Optim, groups: int) -> typing.Iterator[str]:
    """The batch's parts by optim.accumulate, and the groups of each by model.norm_groups."""
    if optim.accumulate <= 0 or groups <= 0:
        return
    whole = f"optim.batch_size={optim.batch_size}"
    part = optim.batch_size // optim.accumulate
    if optim.batch_size % optim.accumulate:
        yield f"optim.accumulate={optim.accumulate} does not divide {whole}"
    elif part % groups:
        divided = whole if optim.accumulate == 1 else f"a part of the batch, {part} images"
        yield f"model.norm_groups={groups} does not divide {divided}"


def _evaluation_problems(evaluation: Evaluation, crop: int) -> typing.Iterator[str]:
    named = (
        ("protocols", evaluation.protocols, PROTOCOLS),
        ("analyses", evaluation.analyses, ANALYSES),
    )
    for key, given, known in named:
        for name in given:
            if name not in known:
                yield f"evaluation.{key}: {name!r} is not one of {', '.join(known)}"
    if not evaluation.protocols:
        yield "evaluation.protocols names none"
    if "resize" in evaluation.protocols and evaluation.resize < crop:
        yield f"evaluation.resize={evaluation.resize} leaves images smaller than the crop of {crop}"
    for key in ("blur_sigmas", "scales", "noise_sigmas"):
        if any(not level > 0 for level in getattr(evaluation, key)):
            yield f"evaluation.{key}={getattr(evaluation, key)} are not all above 0"
    if any(not 1 <= quality <= 100 for quality in evaluation.jpeg_qualities):
        yield f"evaluation.jpeg_qualities={evaluation.jpeg_qualities} are not all within 1..100"
    for key in ("protocols", "blur_sigmas", "jpeg_qualities", "scales", "noise_sigmas"):
        given = getattr(evaluation, key)
        # As in the names of their folders.
        names = {one if isinstance(one, str) else f"{one:g}" for one in given}
        if len(names) < len(given):
            yield f"evaluation.{key}={given} names one twice"


def _sections(config: Config) -> dict[str, Any]:
    values = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    return {name: value for name, value in values.items() if dataclasses.is_dataclass(value)}


def _prefix(config: Config, section: Any) -> str:
    return next((f"{name}." for name, value in _sections(config).items() if value is section), "")
