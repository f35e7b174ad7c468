"""Figures for Prometheus."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5, 10, 30, 60)
MEDIA_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Of one service. Labels are routes and never what a user sent."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "tina_kit_requests",
            "Requests that were answered",
            ["route", "method", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "tina_kit_request_seconds",
            "From a request's head to the end of its answer",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.made = Counter("tina_kit_p_models", "P-Models that were generated", registry=registry)
        self.from_cache = Counter(
            "tina_kit_p_models_from_cache", "P-Models taken from the cache", registry=registry
        )
        self.batch = Histogram(
            "tina_kit_batch_size",
            "P-Models that were generated together",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=registry,
        )
        self.waiting = Gauge(
            "tina_kit_queue", "Requests that wait for a generator", registry=registry
        )
        self.images = Counter("tina_kit_images", "Images that were classified", registry=registry)
        self.kept = Gauge("tina_kit_cached_p_models", "P-Models in the cache", registry=registry)
        self.kept_bytes = Gauge("tina_kit_cached_bytes", "Bytes of the cache", registry=registry)

    def text(self) -> bytes:
        return generate_latest(self._registry)
