"""Puts the parts of a service together from its command line."""

import argparse
import dataclasses
from pathlib import Path

from fastapi import FastAPI

from jaxdet.convert.onnx import is_onnx
from jaxdet.predict.base import AnyDetector
from jaxdet.predict.options import open_asked
from jaxdet.predict.rows import Scoring
from jaxdet.progress import say
from jaxdet.serve.application import make_application
from jaxdet.serve.batcher import Batcher
from jaxdet.serve.limits import Limits
from jaxdet.serve.measures import Measures
from jaxdet.serve.scoring import Service


def make_service(options: argparse.Namespace, *, key: str | None) -> tuple[FastAPI, Service]:
    """Returns the application and what answers in it.

    Raises:
      UserError: where the weights cannot be read, or do not have the threshold.
    """
    limits = Limits(
        **{field.name: getattr(options, field.name) for field in dataclasses.fields(Limits)}
    )
    if options.engine != "onnx" and not is_onnx(Path(options.weights)):
        from jaxdet.runtime.compile_cache import use_compile_cache

        use_compile_cache("")
    detector, scoring = open_parts(options)
    measures = Measures()
    batcher = Batcher(detector, scoring.protocol, limits, scored=measures.batches.observe)
    service = Service(detector, scoring, limits, batcher)
    app = make_application(service, measures, key=key, origins=tuple(options.allow_origin))
    return app, service


def open_parts(options: argparse.Namespace) -> tuple[AnyDetector, Scoring]:
    """Returns the detector, and how images are scored and judged.

    Raises:
      UserError: where the weights cannot be read, or do not have the threshold.
    """
    detector, notes = open_asked(options)
    scoring = Scoring.of(
        detector,
        threshold=options.threshold,
        raw=options.raw,
        error_rate=options.error_rate,
        max_pixels=options.pixels,
    )
    for line in (*notes, f"serving {detector!r}", str(scoring.judgement)):
        say(line)
    return detector, scoring
