"""What is counted, for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from ccnet.serving.queue import JobQueue

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class Metrics:
    """Counters of one server. All labels come from short lists of ours, never from a request."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "ccnet_requests", "Requests answered.", ("route", "status"), registry=self._registry
        )
        self._refused = Counter(
            "ccnet_refused", "Requests refused, by code.", ("code",), registry=self._registry
        )
        self._seconds = Histogram(
            "ccnet_request_seconds",
            "From a request's head to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._stages = Histogram(
            "ccnet_stage_seconds",
            "What each stage of a restoration took.",
            ("stage",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._pixels = Counter(
            "ccnet_megapixels",
            "Restored, or found clear.",
            ("kind", "model"),
            registry=self._registry,
        )
        self._waiting = Gauge("ccnet_waiting", "Pictures that wait.", registry=self._registry)
        self._running = Gauge("ccnet_running", "Pictures in work.", registry=self._registry)
        self.held = Gauge(
            "ccnet_held_bytes", "Bodies received or in work.", registry=self._registry
        )

    def watch(self, queue: JobQueue) -> None:
        """Ask a queue for its length whenever metrics are read."""
        self._waiting.set_function(lambda: queue.waiting)
        self._running.set_function(lambda: queue.running)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def refused(self, code: str) -> None:
        """Count a refusal, by its code."""
        self._refused.labels(code).inc()

    def restored(
        self, kind: str | None, model: str | None, pixels: int, seconds: Mapping[str, float]
    ) -> None:
        """Count a picture: what it was taken for, its model, and what each stage took."""
        self._pixels.labels(kind or "asked", model or "none").inc(pixels / 1e6)
        for stage, taken in seconds.items():
            self._stages.labels(stage).observe(taken)

    def text(self) -> bytes:
        """Give all in Prometheus's text format."""
        return generate_latest(self._registry)
