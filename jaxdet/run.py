"""Runs one run in its folder: check everything, train, evaluate, report."""

import dataclasses
import functools
from pathlib import Path

import jax
from jax.sharding import Mesh

from jaxdet import config as schema
from jaxdet.config.dotted import look_up_all
from jaxdet.data import splits
from jaxdet.data.balance import find_groups
from jaxdet.data.equalised import equalise_all
from jaxdet.data.images import SPLITS, ImageSet
from jaxdet.data.leaks import find_leaks
from jaxdet.data.missing import find_missing, refuse_missing
from jaxdet.data.readers import evaluation_reader
from jaxdet.data.sources import opening_once
from jaxdet.errors import RunFailedError
from jaxdet.evals.analysis import analyse, is_analysed
from jaxdet.evals.engine import Engine
from jaxdet.evals.protocols import evaluate
from jaxdet.evals.published import Published, find_published
from jaxdet.models.architectures import check_sides
from jaxdet.models.detector import get_detector
from jaxdet.models.outside import check_outside
from jaxdet.progress import say
from jaxdet.report import print_table, write_report
from jaxdet.results import RunFolder, read_results
from jaxdet.runtime import environment, mesh
from jaxdet.runtime.changes import check_changes, find_changes, has_begun, note_changes
from jaxdet.runtime.compile_cache import use_compile_cache
from jaxdet.runtime.hangs import watch_run
from jaxdet.runtime.hosts import are_several, comparing
from jaxdet.runtime.lock import locked, refuse_if_locked
from jaxdet.runtime.stopping import leaving_together
from jaxdet.runtime.trackers import check_installed
from jaxdet.train.assemble import assemble
from jaxdet.train.session import train_to_end
from jaxdet.train.start import (
    check_init,
    stored_calibration,
    training_detector,
    weights_to_score,
)
from jaxdet.workdir import signals
from jaxdet.workdir.drafts import clear_leftovers
from jaxdet.workdir.files import check_apart, check_writable, read_text, write_json
from jaxdet.workdir.utf8 import check_utf8
from jaxdet.workdir.watchdog import stage


def run(config: schema.Config, workdir: Path, *, accept_changes: bool = False) -> None:
    """Does what `config.task` says in the folder, from where an earlier start of it got to.

    Where nothing moves for `runtime.hang_seconds` the process ends; see `workdir/watchdog.py`.
    What holds for the whole process is up to the caller, before JAX asks for its devices: for
    `runtime.deterministic` that is `make_deterministic`.

    Args:
      config: of the run; `config.dotted.trust` takes the names of one's own code in it.
      workdir: its folder.
      accept_changes: whether a run of another config goes on under this one, where it can.

    Raises:
      UserError: for whatever the user can mend, before any work starts.
      RunFailedError: where the run cannot go on.
      Stopped: where a signal asked for the end.
    """
    with watch_run(limit=config.runtime.hang_seconds, folder=workdir):
        _run(config, workdir, accept_changes=accept_changes)


def _run(config: schema.Config, workdir: Path, *, accept_changes: bool) -> None:
    folder = RunFolder(workdir)
    with opening_once(), comparing("the start of a run") as facts:
        folder.check_links()
        prepared = _prepare(config, folder, accept_changes=accept_changes)
        facts["whether the run is finished"] = prepared is None
        if prepared is not None and are_several():
            facts.update(_describe_images(prepared))
            facts.update({f"code of {name}": one for name, one in prepared.outside.items()})
    if prepared is None:
        page = folder.report / "index.html"
        if not page.exists() and jax.process_index() == 0:
            # Killed between the results and the report.
            write_report([folder.path], folder.report)
        say(f"{workdir}: this run is finished; see {page}")
        return
    with locked(folder.lock), signals.deferred(), leaving_together():
        with comparing("the run folder") as facts:
            if are_several():
                facts["what --workdir holds"] = _holder(folder)
            # Again: another process may have begun, or ended, since the first look.
            check_changes(config, prepared.outside, folder, accept_changes=accept_changes)
        if jax.process_index() == 0:
            clear_leftovers(folder.path, below=True)
        _open(config, prepared.outside, folder)
        _work(config, prepared, folder)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Prepared:
    """Holds what a run looks up before its first step.

    Attributes:
      outside: modules of one's own that the config names, from `look_up_all`.
      devices: the mesh.
      published: results to stand beside ours.
      training: images to train on and to validate on; None for an evaluation alone.
      tests: the sets to score; none where the run trains alone.
      warnings: what misleads whoever reads the results, known to the first process alone.
    """

    outside: dict[str, str]
    devices: Mesh
    published: Published
    training: tuple[ImageSet, ImageSet] | None
    tests: list[ImageSet]
    warnings: list[str]


def _prepare(config: schema.Config, folder: RunFolder, *, accept_changes: bool) -> _Prepared | None:
    """Looks up and checks all that can be told before the first step; None for a finished run."""
    if _is_finished(config, folder):
        return None
    outside = look_up_all(config)
    check_changes(config, outside, folder, accept_changes=accept_changes)
    needs_init = config.task == "eval" or not has_begun(folder)
    _check_places(config, folder, needs_init=needs_init)
    weights = config.model.init if config.task == "eval" else ""
    published = find_published(config.resolved_evaluation, weights=weights)
    use_compile_cache(config.runtime.compile_cache)
    devices = mesh.make_mesh(config.runtime.devices)
    _check_detector(config, devices, needs_init=needs_init)
    # All images are looked up before the first step: a missing test set is told now.
    training = splits.load_train_and_val(config) if config.task != "eval" else None
    tests = splits.load_test_sets(config) if config.task != "train" else []
    if training is not None:
        splits.check_sizes(training[0], config.augment)
        groups = find_groups(training[0], config.data.balance)
        if groups is not None:
            say(f"data.balance: {groups}")
    # From here on all is in order: what is logged before a mistake would hide it.
    warnings = []
    if jax.process_index() == 0:
        _say_notes(config, published)
        warnings = [*splits.left_out(config), *find_leaks(training, tests)]
        for line in warnings:
            say(f"warning: {line}")
    return _Prepared(
        outside=outside,
        devices=devices,
        published=published,
        training=training,
        tests=tests,
        warnings=warnings,
    )


def _check_places(config: schema.Config, folder: RunFolder, *, needs_init: bool) -> None:
    """Sees that what is read is there, and that the run's folder is free and can be written."""
    init = config.model.init if needs_init else ""
    refuse_missing(find_missing(config.data, config.evaluation, task=config.task, init=init))
    for root in {config.data.root, config.train_root} - {""}:
        folders = (Path(root) / split for split in SPLITS)
        check_apart(folder.path, *folders, instead="--workdir")
    if config.task != "eval":
        check_utf8(folder.path, "checkpoints")
        check_installed(config)
    refuse_if_locked(folder.lock)
    folder.refuse_foreign()
    check_writable((folder.config, ""), (folder.env, ""))


def _check_detector(config: schema.Config, devices: Mesh, *, needs_init: bool) -> None:
    """Sees that batches fit the devices, weights the network, and crops both."""
    optim = config.optim
    mesh.check_batch(devices, "optim.batch_size", optim.batch_size, side=config.augment.crop)
    if config.task != "eval" and optim.accumulate > 1:
        part = optim.batch_size // optim.accumulate
        option = f"optim.accumulate={optim.accumulate}: a part of the batch"
        mesh.check_divides(devices, batch_size=part, option=option)
    scored = config.eval_crop
    mesh.check_batch(devices, "evaluation.batch_size", config.eval_batch_size, side=scored)
    if needs_init:
        check_init(config)
    if config.task != "eval":
        training_detector(config)  # refuses what it cannot be
    scores_whole = "full" in config.evaluation.protocols
    check_sides(config.model, trained=config.augment.crop, scored=scored, whole=scores_whole)
    check_outside(config.model, side=config.augment.crop)


def _say_notes(config: schema.Config, published: Published) -> None:
    if published.row and not published.ap:
        by = f"{config.evaluation.protocols[0]}, {config.eval_crop} px"
        by += f", equalise={equalise}" if (equalise := config.evaluation.equalise) != "none" else ""
        say(f"{published.row}: has no AP of the test sets by the protocol {by}")
    for line in splits.left_aside(config):
        say(line)


def _describe_images(prepared: _Prepared) -> dict[str, str]:
    """Returns how many images there are and a digest of them, for each set."""
    named = [(f"test images of {images.name}", images) for images in prepared.tests]
    if prepared.training is not None:
        named += zip(("training images", "validation images"), prepared.training, strict=True)
    return {name: f"{len(images)} ({images.sampled_fingerprint()})" for name, images in named}


def _holder(folder: RunFolder) -> str:
    """Returns what the first process has just written, where this one sees the same folder."""
    try:
        return read_text(folder.lock).strip()
    except (OSError, ValueError):
        return "another folder"


def _work(config: schema.Config, prepared: _Prepared, folder: RunFolder) -> None:
    """Trains and evaluates, whatever of it is asked for."""
    if prepared.training is not None:
        with stage("training", slow=True):
            train_to_end(assemble(config, *prepared.training, run=folder, mesh=prepared.devices))
    if config.task == "train":
        say(f"{folder.path}: training is finished")
        if jax.process_index() == 0:
            say(f"report: {write_report([folder.path], folder.report)}")
        return
    with stage("evaluation", slow=True):
        _evaluate(config, prepared, folder)


def _is_finished(config: schema.Config, folder: RunFolder) -> bool:
    """Returns whether the results of this config are there, and what was asked for besides them."""
    if not folder.results.exists() or not has_begun(folder) or find_changes(config, folder):
        return False
    results = read_results(folder.results)
    return (
        results.status == "finished"
        # Those of before a change are made anew.
        and (not folder.changes.exists() or schema.is_hash_of(results.config_hash, folder.config))
        and is_analysed(config.evaluation.analyses, results.sets, folder)
    )


def _open(config: schema.Config, outside: dict[str, str], folder: RunFolder) -> None:
    """Writes who runs what, or what is changed from here on."""
    if jax.process_index() > 0:
        return
    if has_begun(folder):
        note_changes(config, outside, folder)
        return
    write_json(folder.config, schema.to_json_dict(config))
    write_json(folder.env, environment.describe() | ({"outside": outside} if outside else {}))


def _evaluate(config: schema.Config, prepared: _Prepared, folder: RunFolder) -> None:
    detector, training = get_detector(config.model), prepared.training
    with comparing("the weights to score") as facts:
        variables, weights = weights_to_score(
            config, detector, prepared.devices, run=folder, images=training and training[0]
        )
        facts["weights to score"] = digest = weights["digest"]
    # A network of one's own is known by its code alone.
    code = prepared.outside.get(config.model.name, "")
    engine = Engine(
        config.resolved_evaluation,
        detector,
        variables,
        weights=f"{digest} {code}".rstrip(),
        seed=config.seed,
        runtime=config.runtime,
        run=folder,
        mesh=prepared.devices,
    )
    read = functools.partial(evaluation_reader, config.data)
    tests = [read(images) for images in equalise_all(prepared.tests, config.evaluation)]
    results = evaluate(
        engine,
        tests,
        name=config.name,
        validation=read(training[1]) if training else None,
        weights=weights,
        published=prepared.published,
        stored=stored_calibration(config, digest) if config.task == "eval" else None,
        warnings=prepared.warnings,
    )
    if not folder.config.exists():
        raise RunFailedError(
            f"{folder.path}: was removed while the run was at work; start it again"
        )
    analyse(engine, tests, detector, variables)
    if jax.process_index() == 0:
        print_table(results)
        say(f"report: {write_report([folder.path], folder.report)}")
