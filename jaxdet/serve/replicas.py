"""Deploys the service by Ray Serve: the same application in several processes.

Ray takes the requests, hands each to a replica, starts one again that has died, and more of them
where many requests wait. Ours are the application in each, and here the beginning and the end.
"""

import argparse
import contextlib
import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax

from jaxdet.errors import RunFailedError, UserError, first_line
from jaxdet.hub.find import pin_weights
from jaxdet.progress import say
from jaxdet.serve.start import make_service, open_parts

# Scoring one's images is nobody else's business; who wants to be counted can say so.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
try:
    import ray
    from ray import serve
except ImportError:
    ray = None  # `serve_by_ray` says so in a line

_NAME = "jaxdet"
# Of a core: several replicas may share a machine of few.
_CPUS = 0.5


def serve_by_ray(
    options: argparse.Namespace, address: tuple[str, int], *, key: str | None, seconds: float
) -> None:
    """Serves on a Ray cluster, that of RAY_ADDRESS or this machine, until a signal ends it.

    Args:
      options: of the command line; every machine of the cluster finds the weights at their path.
      address: host and port.
      key: what clients of `/v1/` must show.
      seconds: that replicas may take at the end to answer what they have accepted.

    Raises:
      UserError: where Ray Serve is not installed, or the weights cannot be served.
      RunFailedError: where Ray gives up.
    """
    if ray is None:
        raise UserError(
            "--engine=ray: Ray Serve is not installed; in the checkout: "
            "pip install -e '.[serve,ray]'"
        )
    # A mistake is told before Ray starts, and no model stays here. This process keeps off the
    # replicas' accelerators. All of them, and those that start later, open the same weights.
    jax.config.update("jax_platforms", "cpu")
    options.weights = pin_weights(options.weights)
    open_parts(options)
    ended = threading.Event()
    try:
        with _cluster(*address):
            if _NAME in serve.status().applications:
                raise UserError("--engine=ray: this cluster serves a detector already")
            try:
                serve.run(_deployment(options, key, seconds).bind(), name=_NAME)
                for one in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(one, lambda number, frame: ended.set())
                say("ready")
                ended.wait()
            finally:
                # Replicas answer what they have accepted, then end.
                serve.delete(_NAME)
    except (ray.exceptions.RayError, RuntimeError, TimeoutError) as error:
        raise RunFailedError(f"--engine=ray: {first_line(error)}") from None
    say("ended; all that replicas had accepted is answered")


def _deployment(options: argparse.Namespace, key: str | None, seconds: float) -> Any:
    least, most = options.replicas or (1, 1)
    return serve.deployment(
        autoscaling_config={"min_replicas": least, "max_replicas": most},
        max_ongoing_requests=options.queue,
        max_queued_requests=options.queue,
        graceful_shutdown_timeout_s=seconds,
        ray_actor_options={
            "num_cpus": _CPUS,
            "num_gpus": min(1, ray.cluster_resources().get("GPU", 0)),
        },
        logging_config={"enable_access_log": False},  # the application has one
    )(serve.ingress(_building(options, key))())


def _building(options: argparse.Namespace, key: str | None) -> Callable[[], Any]:
    def build() -> Any:
        """Returns the application in a replica, which gets requests from then on."""
        app, service = make_service(options, key=key)
        service.warm_up()
        service.warm_up_rest()
        app.state.ready = True
        return app

    return build


@contextlib.contextmanager
def _cluster(host: str, port: int) -> Iterator[None]:
    """Joins the cluster of RAY_ADDRESS, or starts one here, with Serve's proxies, for the body."""
    joined = bool(os.environ.get("RAY_ADDRESS"))
    here: dict[str, Any] = {} if joined else {"address": "local", "include_dashboard": False}
    with warnings.catch_warnings():
        # JAX warns of forks; what Ray forks becomes another program at once.
        warnings.simplefilter("ignore", RuntimeWarning)
        ray.init(logging_level=logging.ERROR, **here)
    try:
        serve.start(http_options={"host": host, "port": port})
        yield
    finally:
        if not joined:  # there may be others' applications
            serve.shutdown()
        ray.shutdown()
