"""`python -m jaxdet.serve --weights=W`: answers for images over HTTP, with a page for people."""

from jaxdet.errors import UserError, guard, guard_loading

if __name__ == "__main__":
    guard_loading()

import argparse
import os
import signal
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxdet.errors import MissingLibraryError, Parser
from jaxdet.predict.options import add_threshold, add_weights
from jaxdet.progress import say
from jaxdet.ranges import number, whole_number
from jaxdet.serve.limits import Limits
from jaxdet.workdir.files import read_text

_MINIMUM = 16  # letters of a key
# Options by the fields of `Limits`.
_LIMITS = {
    "images": (whole_number("[1, 1e4]"), "images of a request"),
    "request-bytes": (whole_number("[1e3, 1e10]"), "bytes of a request"),
    "held-bytes": (whole_number("[1e3, 1e11]"), "bytes of all requests that are held at once"),
    "pixels": (whole_number("[1, 1e9]"), "pixels of an image"),
    "held-pixels": (whole_number("[1, 1e10]"), "pixels that are held, decoded, at once"),
    "queue": (whole_number("[1, 1e6]"), "images that wait; more answer 503"),
    "connections": (whole_number("[1, 1e6]"), "connections at once; more answer 503"),
    "header-seconds": (number("[0.1, 3600]"), "seconds for a request's headers to arrive"),
    "body-seconds": (number("[0.1, 3600]"), "seconds for a request to arrive"),
    "request-seconds": (number("[0.1, 3600]"), "seconds for a request to be answered"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until a signal asks for the end; what was accepted is answered first."""
    with guard():
        options = get_parser().parse_args(arguments)
        _serve(options)


def get_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = Parser(
        prog="python -m jaxdet.serve",
        description="Serves a detector: a page at /, POST /v1/score, /v1/model, /health, /ready, "
        "/metrics, and what they take at /openapi.json.",
    )
    add_weights(parser)
    add_threshold(parser)
    parser.add_argument(
        "--engine",
        choices=("jax", "onnx", "ray"),
        default="jax",
        help="onnx: a file of `convert export --format=onnx`, by onnxruntime; ray: by JAX in "
        "replicas on a Ray cluster (that of RAY_ADDRESS, or this machine), with the extra `ray`",
    )
    parser.add_argument("--replicas", type=_replicas, metavar="N|MIN:MAX",
                        help="processes that hold the model under Ray (default 1); MIN:MAX: as "
                        "many as there are requests for")  # fmt: skip
    parser.add_argument("--host", default="127.0.0.1", help="address (default %(default)s: this "
                        "machine alone)")  # fmt: skip
    parser.add_argument("--port", type=whole_number("[0, 65535]"), default=8000, metavar="N",
                        help="port; 0 for a free one (default %(default)s)")  # fmt: skip
    parser.add_argument("--api-key-file", type=Path, metavar="FILE",
                        help="file with the key that clients of /v1/ must send")  # fmt: skip
    parser.add_argument("--allow-origin", action="append", default=[], metavar="ORIGIN",
                        help="origin of other pages that may ask; may be given again")  # fmt: skip
    _add_limits(parser)
    return parser


def _add_limits(parser: argparse.ArgumentParser) -> None:
    limits = parser.add_argument_group("limits")
    for name, (kind, what) in _LIMITS.items():
        default = getattr(Limits, name.replace("-", "_"))
        limits.add_argument(f"--{name}", type=kind, default=default, metavar="N",
                            help=f"{what} (default {default})")  # fmt: skip


def _serve(options: argparse.Namespace) -> None:
    for most, held in (("images", "queue"), ("request_bytes", "held_bytes")):
        if getattr(options, most) > getattr(options, held):
            names = [f"--{name.replace('_', '-')}" for name in (most, held)]
            raise UserError(f"{names[0]} is more than {names[1]}: no such request would get in")
    if options.replicas and options.engine != "ray":
        raise UserError("--replicas: replicas are Ray's; give --engine=ray")
    key = None if options.api_key_file is None else _key(options.api_key_file)
    listener = _listener(options.host, options.port)
    try:
        # What is missing is told before anything else is said.
        import jaxdet.serve.server
        import jaxdet.serve.start  # noqa: F401
    except ImportError as error:
        raise MissingLibraryError(f"{error}; in the checkout: pip install -e '.[serve]'") from None
    seconds = round(options.body_seconds + options.request_seconds) + 1
    host, port = listener.getsockname()[:2]
    said = f"listening on http://{f'[{host}]' if ':' in host else host}:{port}, warming up"
    if options.engine == "ray":
        from jaxdet.serve.replicas import serve_by_ray

        # Ray listens for itself, once it has started.
        listener.close()
        say(said)
        return serve_by_ray(options, (host, port), key=key, seconds=seconds)
    return _serve_here(options, listener, said=said, key=key, seconds=seconds)


def _serve_here(
    options: argparse.Namespace, listener: socket.socket, *, said: str, key: str | None,
    seconds: int,
) -> None:  # fmt: skip
    import uvicorn

    from jaxdet.serve.connections import allow_files, make_protocol
    from jaxdet.serve.server import Server
    from jaxdet.serve.start import make_service

    allow_files(options.connections)
    app, service = make_service(options, key=key)
    config = uvicorn.Config(
        app, http=make_protocol(service.limits), ws="none", log_config=None, access_log=False,
        timeout_keep_alive=5, server_header=False, timeout_graceful_shutdown=seconds,
    )  # fmt: skip
    # uvicorn ends by the signal that it was sent, once all is answered; that is no failure here.
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda number, frame: None)
    say(said)
    server = Server(config, ending=lambda: setattr(app.state, "ready", False))
    _run(server, listener, app, service)


def _run(server: Any, listener: socket.socket, app: Any, service: Any) -> None:
    """Runs uvicorn's server to its end, and the process with it; compiles beside it."""
    failed: list[BaseException] = []

    def warm_up() -> None:
        try:
            service.warm_up()
            app.state.ready = True
            say("ready")
            service.warm_up_rest()
            say("all that answers need is compiled")
        except BaseException as error:
            failed.append(error)
            server.should_exit = True

    threading.Thread(target=warm_up, name="warming up", daemon=True).start()
    server.run(sockets=[listener])
    if failed:
        raise failed[0]
    if server.force_exit:
        say("ended at once; what was not answered is lost")
        os._exit(130)
    if not service.batcher.stop():
        say("ended; scoring hangs, what waited for it is lost")
        os._exit(1)
    say("ended; all that was accepted is answered")
    # Python's own clearing away ends badly while XLA compiles in another thread.
    os._exit(0)


def _listener(host: str, port: int) -> socket.socket:
    """Returns a socket at the address, before the model is loaded: a mistake is told at once."""
    try:
        kind, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener: Any = socket.socket(kind, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"--host={host} --port={port}: {reason}; give another address or port"
        ) from None
    return listener


def _replicas(text: str) -> tuple[int, int]:
    """Returns the least and the most number of replicas."""
    ends = [whole_number("[1, 1e4]")(one) for one in text.split(":", 1)]
    if ends[0] > ends[-1]:
        raise UserError(f"--replicas={text:.50}: MIN is more than MAX")
    return ends[0], ends[-1]


def _key(path: Path) -> str:
    try:
        key = read_text(path).strip()
    except (OSError, ValueError) as error:
        raise UserError(f"--api-key-file={path}: cannot be read: {error}") from None
    if len(key) < _MINIMUM or not key.isascii() or len(key.split()) != 1:
        raise UserError(
            f"--api-key-file={path}: a key is one word of {_MINIMUM} letters and digits or more"
        )
    return key


if __name__ == "__main__":
    main()
