"""Gives the scores of a set under one view: those in the file where they hold, or new ones."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxdet.config.evaluation import Evaluation
from jaxdet.config.runtime import Runtime
from jaxdet.data.joined import in_file_order, mixed_sets
from jaxdet.data.readers import Reader
from jaxdet.evals.two_shot import Shots, to_crop_scores
from jaxdet.evals.views import View, crop_loader, piece_loader
from jaxdet.models.detector import Detector, Variables
from jaxdet.progress import say
from jaxdet.results import CropScores, Predictions, RunFolder, read_arrays, write_arrays
from jaxdet.runtime.environment import peak_memory
from jaxdet.runtime.mesh import put_replicated
from jaxdet.scoring.launch import make_score_step
from jaxdet.scoring.loader import PieceLoader
from jaxdet.scoring.piecewise import score_pieces
from jaxdet.scoring.rows import RowKeeper, finished_images, on_all_hosts, to_predictions
from jaxdet.scoring.scorer import Scorer
from jaxdet.scoring.sets import score_crops
from jaxdet.workdir.files import read_json, within, write_json
from jaxdet.workdir.identity import identity_of


class Engine:
    """Scores sets with one detector, nothing twice: files and parts of them are taken up again."""

    def __init__(
        self,
        evaluation: Evaluation,
        detector: Detector,
        variables: Variables,
        *,
        weights: str,
        seed: int,
        runtime: Runtime,
        run: RunFolder,
        mesh: Mesh,
    ):
        """Puts the variables of the host on the devices.

        Args:
          evaluation: a `Config.resolved_evaluation`.
          detector: the network.
          variables: of the network.
          weights: what they, and a network of one's own, are known by.
          seed: of random crops and noise.
          runtime: workers, and how images are known again.
          run: where two-shot scores go.
          mesh: the devices.
        """
        self.evaluation, self.seed, self.runtime = evaluation, seed, runtime
        self.weights, self.run, self._mesh = weights, run, mesh
        self._smallest = detector.architecture.smallest
        self._step = make_score_step(detector, mesh)
        self._placed = put_replicated(mesh, variables)
        self._scorer = Scorer(detector, self._placed, mesh)
        self._start = 0

    def predictions(self, read: Reader, view: View, path: Path) -> Predictions:
        """Returns the scores of a set under a view, which lie in the file afterwards.

        Raises:
          RunFailedError: where a logit is not finite, or an image was scored twice or never.
          BadImageError: for an unreadable image under the policy "stop".
        """
        fingerprint = self._fingerprint(read, view=view.identity)
        title = f"{read.images.name} ({view.name})"
        cached = _cached(path, Predictions, fingerprint)
        if cached is None and len(read.images.parts) > 1:
            return self._joined(read, view, path, fingerprint)
        if cached is not None:
            return _there(cached, path, title)
        keeper = self._keeper(path, fingerprint, title)
        begun, before = time.monotonic(), len(list(finished_images(keeper.rows)))
        predictions = to_predictions(
            read.images,
            self._score(read, view, keeper, f"score {title}"),
            skip_bad=read.skip_bad,
            fingerprint=fingerprint,
        )
        taken = time.monotonic() - begun
        self._note_time(title, len(read.images) - before, taken, fingerprint)
        _write(path, predictions)
        keeper.remove()
        say(f"{title}: {_counts(predictions)}")
        return predictions

    def score_mixed(
        self, sets: Sequence[Reader], view: View, path_of: Callable[[str], Path]
    ) -> None:
        """Scores sets that lie in the same row groups of Parquet files in one pass over these.

        `predictions` finds the scores then. Each set by itself would read the groups again.

        Args:
          sets: to score under the view.
          view: which.
          path_of: where the scores of a set of a name go.
        """
        left: dict[Path, Reader] = {}
        for read in sets:
            path, parts = path_of(read.images.name), read.images.parts
            if any(part.stored is not None for part in parts) and not self._is_known(
                read, view, path
            ):
                for part in parts:
                    own = dataclasses.replace(read, images=part)
                    place = _part_path(path, part.name) if len(parts) > 1 else path
                    if place not in left and not self._is_known(own, view, place):
                        left[place] = own
        leaves = list(left.items())
        for places in mixed_sets([read.images for _, read in leaves]):
            self._score_together([leaves[place] for place in places], view)

    def _is_known(self, read: Reader, view: View, path: Path) -> bool:
        return _cached(path, Predictions, self._fingerprint(read, view=view.identity)) is not None

    def _score_together(self, leaves: Sequence[tuple[Path, Reader]], view: View) -> None:
        """Scores sets as one, and writes the scores of each."""
        images = in_file_order([read.images for _, read in leaves])
        read = dataclasses.replace(leaves[0][1], images=images)
        known = [self._fingerprint(own, view=view.identity) for _, own in leaves]
        fingerprint, title = identity_of(sets=known), f"{images.name} together"
        keeper = self._keeper(_part_path(leaves[0][0], f"mixed-{fingerprint}"), fingerprint, title)
        begun, before = time.monotonic(), len(list(finished_images(keeper.rows)))
        rows = self._score(read, view, keeper, f"score {title} ({view.name})")
        self._note_time(title, len(images) - before, time.monotonic() - begun, fingerprint)
        of, place = images.members
        for number, ((path, own), mark) in enumerate(zip(leaves, known, strict=True)):
            mine = rows[of[rows["image"]] == number]
            mine["image"] = place[mine["image"]]
            _write(path, to_predictions(own.images, mine, skip_bad=own.skip_bad, fingerprint=mark))
        keeper.remove()

    def _joined(self, read: Reader, view: View, path: Path, fingerprint: str) -> Predictions:
        """Returns the scores of a set of several parts; of a part shared with others, once made."""
        rows = [
            self.predictions(
                dataclasses.replace(read, images=part),
                view,
                _part_path(path, part.name),
            )
            for part in read.images.parts
        ]
        columns = ["id", "label", "logit", "sharpness", "skipped"]
        # Parts that were scored before there were groups have none.
        columns += ["group"] * all(len(one.group) == len(one.id) for one in rows)
        joined = {name: np.concatenate([getattr(one, name) for one in rows]) for name in columns}
        numbering = read.images.numbering
        predictions = Predictions(**joined, fingerprint=fingerprint, numbering=numbering)
        _write(path, predictions)
        return predictions

    def crop_scores(self, read: Reader, predictions: Predictions) -> CropScores:
        """Returns the scores of random crops of a few readable images; see `CropScores`."""
        evaluation, images = self.evaluation, read.images
        path = self.run.two_shot(images.name)
        shots = Shots(
            images=evaluation.two_shot,
            crops=evaluation.two_shot_crops,
            side=evaluation.crop,
            seed=self.seed,
        )
        fingerprint = self._fingerprint(read, shots=shots)
        title = f"{images.name} (two-shot)"
        cached = _cached(path, CropScores, fingerprint)
        if cached is not None:
            return _there(cached, path, title)
        drawn = predictions.id[shots.draw(predictions)]
        place_of = {name: place for place, name in enumerate(images.ids)}
        places = np.array([place_of[name] for name in drawn.tolist()])
        keeper = self._keeper(path, fingerprint, title)
        rows = self._score_pieces(shots.loader(read), places.tolist(), keeper, f"score {title}")
        scores = to_crop_scores(images, places, rows, fingerprint=fingerprint)
        _write(path, scores)
        keeper.remove()
        say(f"{title}: {scores.logit.size} crops of {len(scores.id)} images")
        return scores

    def say_shapes(self) -> None:
        """Logs what scoring in pieces took, where there was any."""
        if not self._scorer.shapes:
            return
        peak = peak_memory()
        memory = "" if peak is None else f", peak memory {peak / 2**30:.2f} GiB"
        say(f"images of any size: {len(self._scorer.shapes)} shapes compiled{memory}")

    def _note_time(self, title: str, images: int, seconds: float, fingerprint: str) -> None:
        """Adds how long images took to `scoring.json`; they may be the rest of a set."""
        if jax.process_index() > 0 or images <= 0:
            return
        path = self.run.scoring
        lines = read_json(path) if path.is_file() else []
        # Numbers of starts: each compiles anew.
        self._start = self._start or 1 + max((one.get("start", 0) for one in lines), default=0)
        line = {"set": title, "images": images, "seconds": round(seconds, 3)}
        write_json(path, [*lines, {**line, "start": self._start, "fingerprint": fingerprint}])

    def _keeper(self, path: Path, fingerprint: str, title: str) -> RowKeeper:
        keeper = RowKeeper(path, fingerprint)
        done = len(list(finished_images(keeper.rows)))
        begun = len(np.unique(keeper.rows["image"])) - done
        if done or begun:
            parts = f" and parts of {begun}" if begun else ""
            say(f"{title}: going on after {done} images{parts} that an earlier start scored")
        return keeper

    def _score(self, read: Reader, view: View, keeper: RowKeeper, title: str) -> np.ndarray:
        if not view.is_one_crop:
            loader = piece_loader(read, view, smallest=self._smallest)
            return self._score_pieces(loader, range(len(read.images)), keeper, title)
        crops = crop_loader(read, view, batch_size=self.evaluation.batch_size)
        return score_crops(
            crops,
            self._step,
            self._placed,
            keeper,
            mesh=self._mesh,
            runtime=self.runtime,
            title=title,
        )

    def _score_pieces(
        self, loader: PieceLoader, places: Sequence[int], keeper: RowKeeper, title: str
    ) -> np.ndarray:
        runtime = self.runtime
        return score_pieces(loader, places, self._scorer, keeper, runtime=runtime, title=title)

    def _fingerprint(self, read: Reader, **what: Any) -> str:
        """Returns what scores are known by: the weights, the images that are read, what of them."""
        images = read.identity(self.runtime.compare_images)
        return identity_of(weights=self.weights, images=images, **what)


def _part_path(path: Path, name: str) -> Path:
    """Returns where the scores of a part lie that several sets beside a path may have."""
    return within(path.parent, "parts", f"{name}.npz")


def _counts(predictions: Predictions) -> str:
    n, n_fake = len(predictions.id), int(predictions.label.sum())
    skipped = len(predictions.skipped)
    return f"{n - n_fake} real and {n_fake} fake, each once, {skipped} skipped"


def _cached(path: Path, kind: type[Any], fingerprint: str) -> Any:
    """Returns the scores in the file where they still hold, on every host or on none."""
    scores = read_arrays(path, kind) if path.exists() else None
    holds = scores is not None and scores.fingerprint == fingerprint
    return scores if on_all_hosts(holds) else None


def _write(path: Path, scores: Any) -> None:
    """Writes scores on the first of several hosts: all of them have all scores."""
    if jax.process_index() == 0:
        write_arrays(path, scores)


def _there(scores: Any, path: Path, title: str) -> Any:
    say(f"{title}: {len(scores.id)} images, scores are there already")
    # A kill between the scores' file and the end of the keeping leaves a part behind.
    RowKeeper(path).remove()
    return scores
