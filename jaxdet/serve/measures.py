"""Measures what `/metrics` tells of the service, in Prometheus' format."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Measures:
    """Counts requests, images and batches of one service.

    Attributes:
      registry: what is shown.
      requests: by path and status.
      seconds: of requests that score, from their first byte.
      images: by outcome, a verdict or "error".
      batches: images scored together.
      waiting: images that wait or are being scored.
    """

    def __init__(self) -> None:
        """Begins at zero."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "jaxdet_requests", "Requests", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "jaxdet_score_seconds",
            "Seconds of a request that scores",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.images = Counter("jaxdet_images", "Images", ["outcome"], registry=self.registry)
        self.batches = Histogram(
            "jaxdet_batch_images",
            "Images scored together",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=self.registry,
        )
        self.waiting = Gauge("jaxdet_waiting_images", "Images that wait", registry=self.registry)
