"""A plain service to compare with: one call of the detector for each request."""

import argparse
import io
import socket
import sys

import uvicorn
from fastapi import FastAPI, UploadFile
from PIL import Image

import jaxdet


def main() -> None:
    """Serves on a free port, and says which."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", required=True)
    parser.add_argument("--port")
    detector = jaxdet.load_detector(parser.parse_args().weights)
    detector.warm_up()
    app = FastAPI()

    @app.post("/v1/score")
    def score(images: list[UploadFile]) -> list[float]:
        opened = [Image.open(io.BytesIO(one.file.read())) for one in images]
        return [float(detector.score([image])[0]) for image in opened]

    listener = socket.create_server(("127.0.0.1", 0))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}\nready", file=sys.stderr)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


if __name__ == "__main__":
    main()
