"""Makes what a frozen tower sees of the images of a run once, to be read in their place.

Each set in each view is a store of its own below `runtime.features`, named by all that its values
follow from, so that other runs find it.
"""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxdet.config.dotted import look_up_all
from jaxdet.config.views import TrainingView, read_views
from jaxdet.data.batches import Batch
from jaxdet.data.feature_loaders import FeatureEvalLoader, FeatureTrainLoader, ViewLoader
from jaxdet.data.features import FeatureDraft, FeatureStore, Layout
from jaxdet.data.loaders import EvalLoader, TrainLoader
from jaxdet.data.order import steps_per_epoch
from jaxdet.data.pairs import draw_places
from jaxdet.data.pipeline import open_batches
from jaxdet.data.readers import Reader
from jaxdet.errors import UserError
from jaxdet.models.detector import Detector
from jaxdet.models.towers import read_tower
from jaxdet.progress import ProgressLine, say, size_text
from jaxdet.runtime.hosts import are_several
from jaxdet.runtime.mesh import batch_sharding, replicated
from jaxdet.scoring.launch import ScoreStep, make_score_step, score_batches
from jaxdet.train.assemble import eval_loader, train_step
from jaxdet.train.parts import Parts
from jaxdet.train.position import Position
from jaxdet.train.weights import digest
from jaxdet.workdir import signals
from jaxdet.workdir.disk_space import free_bytes, shortage
from jaxdet.workdir.identity import fingerprint_of
from jaxdet.workdir.lock import claimed
from jaxdet.workdir.watchdog import expect_compilation, waited

# Images that the devices work through at once, at least.
_BATCH = 64
_CLEAN = TrainingView("clean")


def with_features(parts: Parts, position: Position) -> Parts:
    """Returns the parts of a run with features in the place of images, where it may have them.

    Those that are missing below `runtime.features` are made.

    Raises:
      UserError: where there is no disk space for them, or a store is damaged.
      Stopped: where a signal asked for the end; what was made is kept.
    """
    folder = parts.config.runtime.features
    if not folder:
        return parts
    if obstacle := _obstacle(parts):
        say(f"runtime.features={folder}: not used, {obstacle}")
        return parts
    maker = _Maker(parts, position)
    views = read_views(parts.config.augment.views)
    stores = tuple(maker.store(*maker.training(view)) for view in views)
    head = parts.detector.on_features()
    changed = dataclasses.replace(
        parts,
        loader=FeatureTrainLoader(load=maker.load, stores=stores),
        train_step=train_step(parts.config, head, parts.mesh),
    )
    # What coins bring to validation images differs each epoch.
    if not len(parts.val_set) or parts.config.validation.augment != "clean":
        return changed
    load = eval_loader(parts.config, parts.val_set)
    seen = FeatureEvalLoader(load=load, store=maker.store(*maker.validation()))
    return dataclasses.replace(
        changed,
        val_loader=lambda epoch: seen,
        score_step=make_score_step(head, parts.mesh),
    )


def _obstacle(parts: Parts) -> str:
    """Returns why features cannot stand in for images; "" where they can."""
    model = parts.config.model
    if model.tune != "head" or not parts.detector.architecture.sees:
        return f"model.tune={model.tune}: no tower of {model.name} stays as it is"
    if not parts.config.augment.views:
        return "augment.views is empty: every epoch sees other pixels"
    if are_several():
        return "it is for one process"
    return ""


class _Maker:
    """Finds or makes the stores of a run."""

    load: TrainLoader

    def __init__(self, parts: Parts, position: Position):
        """Takes the run, and the position at which its tower is."""
        assert isinstance(parts.loader, TrainLoader)
        self.load, self._parts = parts.loader, parts
        self._variables = position.state.variables
        self._step = _make_see_step(parts)
        self._batch = -(-_BATCH // parts.mesh.size) * parts.mesh.size
        self._tower = digest(jax.device_get(self._variables["params"]["vit"]))

    def training(self, view: TrainingView) -> tuple[ViewLoader, Layout, str]:
        """Returns what gives the training images in a view, and how the store of it is laid out."""
        views = () if view.draw is not None else (view.name,)
        augment = dataclasses.replace(self.load.augment, views=views)
        load = dataclasses.replace(self.load, augment=augment, batch_size=self._batch)
        drawn: dict[str, Any] = {}
        if view.draw is not None:
            drawn = {
                "augment": dataclasses.asdict(augment),
                "seed": load.seed,
                "partners": fingerprint_of(draw_places(load.read.images, load.pairs).tobytes()),
                "code": self._code(),
            }
        bad = "replaced" if load.read.skip_bad else "refused"
        layout = self._layout(load.read, view, bad=bad, **drawn)
        return ViewLoader(load=load, epoch=view.draw or 0), layout, f"training images, {view.name}"

    def _code(self) -> dict[str, str]:
        """Returns the digests of the operations of one's own."""
        operations = self.load.augment.operations
        digests = look_up_all(self._parts.config)
        return {name: digest for name, digest in digests.items() if name in operations}

    def validation(self) -> tuple[EvalLoader, Layout, str]:
        """Returns the same of the validation images."""
        load = eval_loader(self._parts.config, self._parts.val_set)
        bad = "left out" if load.read.skip_bad else "refused"
        layout = self._layout(load.read, _CLEAN, bad=bad)
        return dataclasses.replace(load, batch_size=self._batch), layout, "validation images"

    def _layout(self, read: Reader, view: TrainingView, **others: Any) -> Layout:
        config, architecture = self._parts.config, self._parts.detector.architecture
        resize, kernel = config.augment.resize, config.augment.resize_kernel
        facts = {
            "images": read.identity(config.runtime.compare_images),
            "view": view.name,
            "crop": config.augment.crop,
            "resize": resize if kernel == "bilinear" else [resize, kernel],
            "tower": read_tower(config.model.tower).function.text,
            "weights": self._tower,
            "sees": architecture.sees,
            # Float32 products have fewer digits on GPUs.
            "platform": self._parts.mesh.devices.flat[0].platform,
            **others,
        }
        shape = _shape(self._parts.detector, self._variables, side=config.augment.crop)
        return Layout(rows=len(read.images), shape=shape, dtype=config.model.dtype, facts=facts)

    def store(self, load: ViewLoader | EvalLoader, layout: Layout, title: str) -> FeatureStore:
        """Returns a store, which is made where it is not there."""
        place = Path(self._parts.config.runtime.features) / layout.name
        if not place.is_dir():
            with claimed(place, instead="--config.runtime.features"):
                if not place.is_dir():
                    self._make(place, load, layout, title)
        store = FeatureStore(place)
        store.check()
        say(f"{place}: features of {len(store)} {title}")
        return store

    def _make(self, place: Path, load: ViewLoader | EvalLoader, layout: Layout, title: str) -> None:
        draft = FeatureDraft(place, layout)
        first, size = draft.done // self._batch, layout.size
        needed = size - first * self._batch * layout.row.itemsize
        if free_bytes(place) < needed:
            raise UserError(f"--config.runtime.features: {place}: {shortage(place, needed)}")
        begun = f", of which {draft.done} rows are there" if draft.done else ""
        say(f"{place}: {layout.rows} {title}: will take {size_text(size)}{begun}")
        steps, runtime = (
            steps_per_epoch(layout.rows, batch_size=self._batch),
            self._parts.config.runtime,
        )
        with (
            draft.appending(first * self._batch),
            open_batches(load, start=first, stop=steps, runtime=runtime) as batches,
            ProgressLine("look", total=layout.rows, done=draft.done, unit="images") as line,
        ):
            read = waited(batches, f"waiting for images to look at ({title})")
            tagged = map(self._padded, read)
            scored = score_batches(self._step, self._variables, tagged, mesh=self._parts.mesh)
            for index, results in scored:
                draft.add(index, results["seen"][: len(index)].astype(np.float32))
                line.advance(len(index))
                signals.check(f"{place}: {draft.done} rows are kept")
        draft.become_store()

    def _padded(self, batch: Batch) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Returns whose rows a batch has, -1 for an unreadable image, and its images, filled up."""
        count = int((batch["index"] >= 0).sum())
        image = np.zeros((self._batch, *batch["image"].shape[1:]), np.uint8)
        image[:count] = batch["image"][:count]
        index = np.where(batch["valid"], batch["index"], -1)[:count]
        return index, {"image": image}


def _make_see_step(parts: Parts) -> ScoreStep:
    """Returns a function (variables, {"image"}) -> {"seen"}, replicated."""

    def step(variables: Any, batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
        expect_compilation()
        return {"seen": parts.detector.see(variables, batch["image"])}

    everywhere = replicated(parts.mesh)
    placed = (everywhere, batch_sharding(parts.mesh))
    options = parts.detector.compiler_options
    return jax.jit(step, in_shardings=placed, out_shardings=everywhere, compiler_options=options)


def _shape(detector: Detector, variables: Any, *, side: int) -> tuple[int, ...]:
    """Returns the shape of what is seen of one image."""
    image = jax.ShapeDtypeStruct((1, side, side, 3), np.uint8)
    return tuple(jax.eval_shape(detector.see, variables, image).shape[1:])
