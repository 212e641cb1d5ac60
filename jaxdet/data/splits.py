"""Decides which images train, which validate and which test: from the config to image sets."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from jaxdet import config as schema
from jaxdet.config.benchmarks import TFDS, Benchmark
from jaxdet.data import order
from jaxdet.data.images import ImageSet
from jaxdet.data.negatives import load_negatives, with_negatives
from jaxdet.data.regular import listing
from jaxdet.data.sources import Root, open_root, reading_of
from jaxdet.data.subset import draw_subset
from jaxdet.data.table.columns import Reading
from jaxdet.errors import UserError
from jaxdet.progress import say


def load_train_and_val(config: schema.Config) -> tuple[ImageSet, ImageSet]:
    """Returns the images to train on and the images to validate on.

    The latter are `val/` where it exists, else (or with `data.validation="train"`) a share of
    `train/`, drawn with the seed and held out; none with `data.validation="none"`. `data.negatives`
    are trained on, too.

    Raises:
      UserError: where a folder or class is missing or empty.
    """
    option = "data.train_root" if config.data.train_root else "data.root"
    root = open_root(config.train_root, option=option, reading=reading_of(config.data))
    classes = _chosen_classes(config.data, root)
    train = root.load("train", name="train", categories=classes)
    if config.data.validation == "none":
        val = train.take(np.zeros(0, np.int64), name="val")
    elif config.data.validation == "auto" and root.has("val"):
        val = root.load("val", name="val", categories=classes)
    else:
        train, val = _hold_out(train, config)
    train = _share_of(train, config)
    if config.data.negatives:
        negatives = load_negatives(config.data.negatives)
        train = with_negatives(train, negatives, weight=config.data.negatives_weight)
    return train, val


def load_test_sets(config: schema.Config) -> list[ImageSet]:
    """Returns every set under `test/`, or those the config names, in its order.

    Raises:
      UserError: where a set is missing or empty.
    """
    if config.evaluation.benchmarks:
        return list(_benchmark_sets(config.evaluation))
    root = open_root(config.data.root, reading=reading_of(config.data))
    names = _test_names(root, config.evaluation.sets)
    return [root.load(f"test/{name}", name=name) for name in names]


def missing_benchmarks(evaluation: schema.Evaluation) -> list[Benchmark]:
    """Returns the benchmarks of which there are sets to score, and that are not there."""
    return [one for one in _asked_benchmarks(evaluation) if not _is_there(one)]


def left_out(config: schema.Config) -> list[str]:
    """Returns a line for each benchmark that is not there, or not readable, and so not scored."""
    if config.task == "train":
        return []
    gone = missing_benchmarks(config.evaluation)
    lines = [f"benchmark {one.name} is left out: there is no {one.root}" for one in gone]
    if config.evaluation.missing_benchmarks == "skip":
        closed = _unreadable(config.evaluation)
        lines += [f"benchmark {name} is left out: {error}" for name, error in closed.items()]
    return lines


def _unreadable(evaluation: schema.Evaluation) -> dict[str, UserError]:
    """Returns why each benchmark that is there cannot be read, by its name."""
    found = {}
    for benchmark in filter(_is_there, _asked_benchmarks(evaluation)):
        try:
            with _opened(benchmark) as root:
                _test_names(root)
        except UserError as error:
            found[benchmark.name] = error
    return found


def _asked_benchmarks(evaluation: schema.Evaluation) -> list[Benchmark]:
    wanted = {one.partition(".")[0] for one in evaluation.sets}
    return [one for one in schema.listed_benchmarks(evaluation) if not wanted or one.name in wanted]


def _is_there(benchmark: Benchmark) -> bool:
    with listing(Path(benchmark.root).parent):
        return benchmark.root.startswith(TFDS) or Path(benchmark.root).exists()


def _chosen_benchmarks(evaluation: schema.Evaluation) -> list[Benchmark]:
    """Returns the benchmarks to score; without those not there or not readable, if so asked.

    Raises:
      UserError: where none is left.
    """
    asked = _asked_benchmarks(evaluation)
    if evaluation.missing_benchmarks == "stop":
        return asked
    there = [one for one in asked if _is_there(one)]
    closed = _unreadable(evaluation)
    if there and len(closed) == len(there):
        raise next(iter(closed.values()))
    there = [one for one in there if one.name not in closed]
    if asked and not there:
        roots = [one.root for one in asked]
        said = f"none is there, neither {' nor '.join(roots)}"
        raise UserError(
            f"evaluation.benchmarks: {said if roots[1:] else f'there is no {roots[0]}'}; at least "
            "one must be there"
        )
    return there


def _benchmark_sets(evaluation: schema.Evaluation) -> Iterator[ImageSet]:
    """Yields the sets to score of all benchmarks, each with the benchmark's name before its own.

    The others are not looked at: one that is broken can be left out.

    Raises:
      UserError: as `load_test_sets`, or for a set to score that none of them has.
    """
    wanted, found = set(evaluation.sets), set[str]()
    if evaluation.missing_benchmarks == "skip":
        gone = {one.name for one in missing_benchmarks(evaluation)} | set(_unreadable(evaluation))
        wanted = {one for one in wanted if one.partition(".")[0] not in gone}
    for benchmark in _chosen_benchmarks(evaluation):
        with _opened(benchmark) as root:
            names = {f"{benchmark.name}.{name}": f"test/{name}" for name in _test_names(root)}
        found.update(names, [benchmark.name])
        for name, folder in names.items():
            if not wanted or wanted & {name, benchmark.name}:
                yield root.load(folder, name=name)
    if wanted - found:
        known = sorted(one for one in found if "." in one) or [
            f"{one.name}.SET" for one in schema.listed_benchmarks(evaluation)
        ]
        raise UserError(
            f"evaluation.sets: no benchmark has a set {min(wanted - found)}; there are "
            f"{', '.join(known)}"
        )


@contextlib.contextmanager
def _opened(benchmark: Benchmark) -> Iterator[Root]:
    """Gives a benchmark's root, and adds to errors that name options of `data` how they are said.

    There they are options of `data.root` alone; an index is made with the same ones.
    """
    name, layout, place = benchmark
    try:
        option = f"evaluation.benchmarks={name}"
        yield open_root(place, option=option, reading=Reading(layout=layout))
    except UserError as error:
        if "--config.data." not in str(error):
            raise
        raise UserError(
            f"{error}; of the benchmark {name} say it to `python -m jaxdet.data index {place} "
            f"--out=FILE.parquet` and score {name}=FILE.parquet, or a layout alone as "
            f"{name}:LAYOUT={place}"
        ) from None


def _test_names(root: Root, chosen: Sequence[str] = ()) -> Sequence[str]:
    """Returns the names of the test sets of a root, or the chosen ones."""
    if not root.has("test"):
        raise UserError(
            f"{root.place}/test: no such folder, nor rows of another split than train and val; "
            "it holds the sets to evaluate on"
        )
    names = chosen or root.categories("test")
    if "" in names:
        raise UserError(
            f"{root.place}/test: holds images directly; put them in a folder named after the set, "
            "or set --config.data.layout=forensynths"
        )
    return names


def left_aside(config: schema.Config) -> list[str]:
    """Returns a line for each data root of a run in which files are left aside."""
    splits: dict[str, list[str]] = {}
    if config.task != "eval":
        has_val = config.data.validation == "auto"
        splits[config.train_root] = ["train", "val"] if has_val else ["train"]
    if config.task != "train" and not config.evaluation.benchmarks:
        splits.setdefault(config.data.root, []).append("test")
    reading = reading_of(config.data)
    found = {
        root: open_root(root, reading=reading).left_aside(names) for root, names in splits.items()
    }
    if config.task != "train":
        for benchmark in _chosen_benchmarks(config.evaluation):
            with _opened(benchmark) as opened:
                found[benchmark.root] = opened.left_aside(["test"])
    return [f"{root}: {sentence}" for root, sentence in found.items() if sentence]


def _chosen_classes(data: schema.Data, root: Root) -> tuple[str, ...]:
    if not root.has("train"):
        raise UserError(f"{root.place}/train: no such folder; it holds the images to train on")
    if data.num_classes == 0:
        return data.classes
    found = data.classes or tuple(root.categories("train"))
    if len(found) < data.num_classes:
        raise UserError(
            f"data.num_classes={data.num_classes}, but {root.place}/train has {len(found)}"
        )
    return tuple(sorted(found)[: data.num_classes])


def _hold_out(train: ImageSet, config: schema.Config) -> tuple[ImageSet, ImageSet]:
    held = _drawn(train, config, share=config.data.val_fraction, stream=order.HOLD_OUT)
    kept = train.take(np.setdiff1d(np.arange(len(train)), held))
    _refuse_single(kept, f"data.val_fraction={config.data.val_fraction}")
    return kept, train.take(held, name="val")


def _share_of(train: ImageSet, config: schema.Config) -> ImageSet:
    share = config.data.fraction
    if share == 1.0:
        return train
    taken = train.take(_drawn(train, config, share=share, stream=order.SUBSET))
    _refuse_single(taken, f"data.fraction={share}")
    return taken


def _drawn(train: ImageSet, config: schema.Config, *, share: float, stream: int) -> np.ndarray:
    return draw_subset(train, share=share, seed=config.seed, stream=stream, pairs=config.data.pairs)


def _refuse_single(train: ImageSet, option: str) -> None:
    """Raises UserError unless an option leaves two images of each label to train on."""
    real, fake = np.bincount(train.labels, minlength=2)
    if min(real, fake) < 2:
        raise UserError(
            f"{option} leaves {real} real and {fake} fake images of {train.place} to train on; "
            "at least 2 of each are needed: change it or add images"
        )


def check_sizes(train: ImageSet, augment: schema.Augment) -> None:
    """Looks at the first image of each folder: a crop must fit in what resizing leaves.

    Says so where resizing enlarges one: it moves the traces that detectors look for, and images
    are not resized where they are scored.

    Raises:
      UserError: naming the image and the options.
    """
    firsts = {i.rsplit("/", 1)[0]: index for index, i in reversed(list(enumerate(train.ids)))}
    enlarged = []
    for index in firsts.values():
        size = train.size(index)
        if size and min(size) < augment.resize:
            enlarged.append((train.where(index), size))
        is_small = size and (augment.resize or min(size)) < augment.crop
        if size and is_small and augment.small_images == "refuse":
            raise UserError(
                f"{train.where(index)}: {size[0]}x{size[1]} pixels are less than "
                f"augment.crop={augment.crop}; set --config.augment.resize, a smaller crop, or "
                "--config.augment.small_images=pad"
            )
    if enlarged:
        where, (width, height) = enlarged[0]
        say(
            f"training images are enlarged: {where} has {width}x{height} pixels, less than "
            f"augment.resize={augment.resize}; traces of a generator change with the size"
        )
