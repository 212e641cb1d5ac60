"""Which images train, which validate, which test: from the config to image sets."""

import numpy as np

from jaxdet import config as schema
from jaxdet.data import order
from jaxdet.data.images import ImageSet, draw_subset
from jaxdet.data.sources import Root, open_root
from jaxdet.errors import UserError
from jaxdet.progress import say


def load_train_and_val(config: schema.Config) -> tuple[ImageSet, ImageSet]:
    """Returns the images to train on and the images to validate on.

    The latter are `val/` where it exists, else (or with `data.validation="train"`) a share of
    `train/`, drawn with the seed and held out; none with `data.validation="none"`.

    Raises:
      UserError: where a folder or class is missing or empty.
    """
    option = "data.train_root" if config.data.train_root else "data.root"
    root = open_root(config.train_root, option=option)
    classes = _chosen_classes(config.data, root)
    train = root.load("train", name="train", categories=classes)
    if config.data.validation == "none":
        val = train.take(np.zeros(0, np.int64), name="val")
    elif config.data.validation == "auto" and root.has("val"):
        val = root.load("val", name="val", categories=classes)
    else:
        train, val = _hold_out(train, config)
    return _share_of(train, config), val


def load_test_sets(config: schema.Config) -> list[ImageSet]:
    """Returns every set under `test/`, or those the config names, in its order.

    Raises:
      UserError: where a set is missing or empty.
    """
    root = open_root(config.data.root)
    if not root.has("test"):
        raise UserError(f"{root.place}/test: no such folder; it holds the sets to evaluate on")
    names = config.evaluation.sets or root.categories("test")
    if "" in names:
        raise UserError(
            f"{root.place}/test: holds images directly; put them in a folder named after the set"
        )
    return [root.load(f"test/{name}", name=name) for name in names]


def left_aside(config: schema.Config) -> list[str]:
    """Returns a line for each data root of a run in which files are left aside."""
    splits: dict[str, list[str]] = {}
    if config.task != "eval":
        has_val = config.data.validation == "auto"
        splits[config.train_root] = ["train", "val"] if has_val else ["train"]
    if config.task != "train":
        splits.setdefault(config.data.root, []).append("test")
    found = {root: open_root(root).left_aside(names) for root, names in splits.items()}
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
    share = config.data.val_fraction
    held = draw_subset(train, share=share, seed=config.seed, stream=order.HOLD_OUT)
    kept = train.take(np.setdiff1d(np.arange(len(train)), held))
    _refuse_single(kept, f"data.val_fraction={share}")
    return kept, train.take(held, name="val")


def _share_of(train: ImageSet, config: schema.Config) -> ImageSet:
    share = config.data.fraction
    if share == 1.0:
        return train
    taken = train.take(draw_subset(train, share=share, seed=config.seed, stream=order.SUBSET))
    _refuse_single(taken, f"data.fraction={share}")
    return taken


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
        if size and (augment.resize or min(size)) < augment.crop:
            raise UserError(
                f"{train.where(index)}: {size[0]}x{size[1]} pixels are less than "
                f"augment.crop={augment.crop}; set --config.augment.resize or a smaller crop"
            )
    if enlarged:
        where, (width, height) = enlarged[0]
        say(
            f"training images are enlarged: {where} has {width}x{height} pixels, less than "
            f"augment.resize={augment.resize}; traces of a generator change with the size"
        )
