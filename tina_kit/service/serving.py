"""Puts the service together and runs it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fastapi import FastAPI

from tina_kit.api import UserError
from tina_kit.pipeline.personal import ReadyGenerator
from tina_kit.service.app import create_app
from tina_kit.service.limits import Limits
from tina_kit.service.logs import Log
from tina_kit.service.running import address_of, listening, named, read_keys, run
from tina_kit.service.service import Service


@dataclass(frozen=True)
class Place:
    """Where to listen. key_file: with the keys of those who may ask."""

    host: str
    port: int
    key_file: Path | None


def serve(
    load: Callable[[], Sequence[ReadyGenerator]],
    place: Place,
    *,
    queue: int | None = None,
    log_names: bool = False,
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """See `tina_kit.serve`. load: the generators, asked for once the address is had."""
    limits = Limits() if queue is None else replace(Limits(), queue=queue)
    keys = [] if place.key_file is None else read_keys(place.key_file)
    opened = listening(place.host, place.port, keys)
    with opened:
        generators = load()
        for each in generators:
            check(each)
        # What is there now stays: looking through it again and again takes a tenth of the time.
        gc.collect()
        gc.freeze()
        log = Log(log_names)
        app = app_of(generators, limits, log, keys)
        ready(address_of(opened))
        run(app, opened, limits, log)


def app_of(
    generators: Sequence[ReadyGenerator],
    limits: Limits | None = None,
    log: Log | None = None,
    keys: Sequence[str] = (),
) -> FastAPI:
    """The app alone, for another server or for tests."""
    return create_app(Service(named(generators), limits or Limits()), log or Log(), keys)


def check(generator: ReadyGenerator) -> None:
    """Read all that it needs and ask it once, so that nobody waits for that and mistakes show
    before the first request. Raises UserError if it cannot answer."""
    source = generator.source
    if generator.row.flags.personalises or generator.row.flags.id_only:
        raise UserError(
            f"{generator.name} answers only the run's own tasks; name another generator"
        )
    generator.generate([source.class_names[place] for place in source.seen[:2].tolist()])
