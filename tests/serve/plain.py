"""A plain service to compare with: one call of the detector for each request.

It is what one writes who puts a detector behind FastAPI: a handler of uploaded files, which FastAPI
calls in threads, so that requests are decoded and scored beside each other. It reads, scores and
judges by the functions of `predict`, as the service does, and all is compiled before it is ready.
It spends no time on batches over clients, limits, keys, request ids, measures or logs.
"""

import argparse
import socket
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, UploadFile

import jaxdet
from jaxdet.config import Data
from jaxdet.predict.files import read_image
from jaxdet.predict.rows import Scoring, score_images, to_row


def main() -> None:
    """Serves on a free port, and says which."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", required=True)
    parser.add_argument("--port")
    detector = jaxdet.load_detector(parser.parse_args().weights)
    detector.warm_up()
    scoring = Scoring.of(detector)
    app = FastAPI()

    @app.post("/v1/score")
    def score(images: list[UploadFile]) -> list[dict[str, Any]]:
        opened = [read_image(one.file.read(), max_pixels=Data.max_pixels) for one in images]
        answers = score_images(detector, opened, scoring.protocol)
        names = [one.filename or "" for one in images]
        return [
            to_row(name, answer, scoring.judgement)
            for name, answer in zip(names, answers, strict=True)
        ]

    listener = socket.create_server(("127.0.0.1", 0))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}\nready", file=sys.stderr)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


if __name__ == "__main__":
    main()
