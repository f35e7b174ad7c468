"""What the service refuses, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """For one request:

    classes: of a p-Model, or names that are looked up; name: characters of a class's name;
    text_bytes: of a body without images; image_bytes: of one with images; images: how many;
    pixels: of all its images together.

    For all:

    bodies: bytes of their bodies; queue: p-Models that wait to be generated; predictions and
    exports: that wait; cache_bytes: of the p-Models that are kept; connections: at once.

    In seconds: head_s, body_s: for a client to send its request's head, its body; answer_s: to
    take more of the answer; export_s: for an export; stop_s: to finish what is there when the
    service ends.
    """

    classes: int = 200
    name: int = 200
    text_bytes: int = MIB
    image_bytes: int = 32 * MIB
    images: int = 32
    pixels: int = 100_000_000
    bodies: int = 512 * MIB
    queue: int = 256
    predictions: int = 64
    exports: int = 8
    cache_bytes: int = 256 * MIB
    connections: int = 1000
    head_s: float = 10.0
    body_s: float = 20.0
    answer_s: float = 20.0
    export_s: float = 120.0
    stop_s: float = 4.0
