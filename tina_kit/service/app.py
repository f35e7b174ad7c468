"""The routes. What they do is in `service`; what stands before them, in `guard`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Body, FastAPI, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

import tina_kit
from tina_kit.pipeline.seen import Familiarity
from tina_kit.service import page, problems, schemas
from tina_kit.service.guard import Guard
from tina_kit.service.kept import Kept
from tina_kit.service.logs import Log
from tina_kit.service.lookup import of_familiarity
from tina_kit.service.metrics import MEDIA_TYPE
from tina_kit.service.problems import Problem
from tina_kit.service.service import Service
from tina_kit.service.uploads import uploaded

_MEDIA = {
    "safetensors": "application/octet-stream",
    "onnx": "application/octet-stream",
    "html": "text/html; charset=utf-8",
}
_FILE: dict[str, Any] = {"content": {kind: {} for kind in dict.fromkeys(_MEDIA.values())}}
_MISTAKES = dict.fromkeys((400, 401, 403, 404, 408, 413, 415, 422, 429, 500), problems.OPENAPI)
Id = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="Id of a p-Model that was made.")]
Generator = Annotated[
    str | None, Query(description="A name from /v1/generators; by default the first.")
]


def create_app(service: Service, log: Log, keys: Sequence[str] = ()) -> FastAPI:
    """keys: one of which every request must bring; none if only this machine can ask."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        app.state.ended = await service.stop()

    app = FastAPI(
        title="tina-kit",
        summary="Image classifiers for the classes that you name.",
        version=tina_kit.__version__,
        lifespan=lifespan,
        docs_url=None,  # they load scripts of other servers
        redoc_url=None,
        responses=_MISTAKES,  # type: ignore[arg-type]
    )
    app.add_middleware(Guard, limits=service.limits, log=log, metrics=service.metrics, keys=keys)
    problems.handle(app)
    _add_models(app, service)
    _add_lookups(app, service)
    _add_rest(app, service)
    return app


def _add_models(app: FastAPI, service: Service) -> None:
    @app.post(
        "/v1/models",
        response_model=schemas.Model,
        summary="Make a p-Model from class names",
        responses={200: {"description": "Its description, or its file in `format`.", **_FILE}},
    )
    async def make(request: Request, asked: Annotated[schemas.ModelRequest, Body()]) -> Response:
        begun = time.monotonic()
        _check(asked.classes, service)
        request.state.told = {"classes": len(asked.classes), "format": asked.format}
        kept = await service.make(asked.generator, asked.classes, asked.strict)
        if asked.format is not None:
            return _file(kept, asked.format, await service.file(kept, asked.format))
        return _described(kept, service, time.monotonic() - begun)

    @app.get(
        "/v1/models/{id}",
        response_model=schemas.Model,
        summary="Describe a p-Model that was made",
    )
    async def describe(id: Id) -> Response:
        return _described(service.kept(id), service, 0.0)

    @app.get(
        "/v1/models/{id}/file",
        summary="Download a p-Model that was made",
        response_class=Response,
        responses={200: {"description": "The file.", **_FILE}},
    )
    async def download(id: Id, format: schemas.FileFormat = "safetensors") -> Response:
        kept = service.kept(id)
        return _file(kept, format, await service.file(kept, format))

    @app.post(
        "/v1/models/{id}/predict",
        response_model=schemas.Prediction,
        summary="Classify images with a p-Model that was made",
        openapi_extra=_IMAGES,
    )
    async def predict(
        request: Request,
        id: Id,
        top: Annotated[int, Query(ge=1, le=1000)] = 5,
        compare: Annotated[bool, Query(description="Also answer by classifier selection.")] = False,
    ) -> Response:
        begun = time.monotonic()
        kept = service.kept(id)
        images = await uploaded(request, service.limits)
        request.state.told = {"images": len(images)}
        found = await service.predict(kept, images, top, compare)
        others: Sequence[Any] = found.selection or [None] * len(images)
        return _json(
            schemas.Prediction(
                images=[
                    schemas.ImageAnswer(
                        image=name, top=_shares(best), selection=other and _shares(other)
                    )
                    for (name, _), best, other in zip(images, found.model, others)
                ],
                selection=found.selection is not None,
                seconds=round(time.monotonic() - begun, 4),
            )
        )


def _add_lookups(app: FastAPI, service: Service) -> None:
    @app.get("/v1/classes", response_model=schemas.KnownClasses, summary="List known classes")
    async def classes(generator: Generator = None) -> Response:
        name, ready = service.generator(generator)
        seen = set(ready.source.seen.tolist())
        return _json(
            schemas.KnownClasses(
                generator=name,
                classes=[
                    schemas.KnownClass(name=each, seen=place in seen)
                    for place, each in enumerate(ready.source.class_names)
                ],
            )
        )

    @app.post(
        "/v1/lookup",
        response_model=list[schemas.LookedUp],
        summary="Say which names are known, near or strange",
    )
    async def look_up(request: Request, asked: schemas.LookupRequest) -> Response:
        _check(asked.names, service)
        request.state.told = {"names": len(asked.names)}
        found = await service.look_up(asked.generator, asked.names)
        return _json([schemas.LookedUp.of(each) for each in found])

    @app.get("/v1/generators", response_model=schemas.Generators, summary="List generators")
    async def generators() -> Response:
        return _json(
            schemas.Generators(
                generators=[
                    schemas.GeneratorFacts(
                        name=name,
                        run=ready.source.name,
                        classes=len(ready.source.class_names),
                        expected=_expected(ready.row.expected),
                    )
                    for name, ready in service.generators.items()
                ],
                most_classes=service.limits.classes,
            )
        )


def _add_rest(app: FastAPI, service: Service) -> None:
    @app.get("/", include_in_schema=False)
    async def the_page() -> Response:
        return Response(page.CONTENT, media_type="text/html", headers=page.HEADERS)

    @app.get("/health", response_model=schemas.Health, summary="Check that the service is up")
    async def health() -> Response:
        return _json(schemas.Health(status="ok", version=tina_kit.__version__))

    @app.get(
        "/metrics",
        summary="Prometheus metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
    )
    async def metrics() -> Response:
        return Response(service.metrics.text(), headers={"Content-Type": MEDIA_TYPE})


def _check(names: Sequence[str], service: Service) -> None:
    limits = service.limits
    if len(names) > limits.classes:
        raise Problem(422, f"{len(names):,} classes are too many; at most {limits.classes}")
    for number, name in enumerate(names, 1):
        if len(name) > limits.name:
            raise Problem(
                422,
                f"name {number} is too long ({len(name):,} characters); at most {limits.name}",
            )


def _described(kept: Kept, service: Service, seconds: float) -> Response:
    seen = Familiarity.read(kept.model.metadata["seen"])
    name = next(name for name, each in service.generators.items() if each is kept.generator)
    info = kept.model.info
    return _json(
        schemas.Model(
            id=kept.id,
            generator=name,
            classes=[schemas.LookedUp.of(each) for each in of_familiarity(seen)],
            seconds=round(seconds, 4),
            bytes=len(kept.content),
            info=info,
        )
    )


def _file(kept: Kept, form: str, content: bytes) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="classifier.{form}"',
        "X-Model-Id": kept.id,
        # The page for browsers is a download, never a part of this site.
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(content, media_type=_MEDIA[form], headers=headers)


def _shares(best: Sequence[tuple[str, float]]) -> list[schemas.Share]:
    return [schemas.Share(name=name, probability=share) for name, share in best]


def _expected(facts: dict[str, Any] | None) -> dict[str, Any] | None:
    return facts and {key: value for key, value in facts.items() if key != "by_class"}


def _json(content: BaseModel | Sequence[BaseModel]) -> JSONResponse:
    if isinstance(content, BaseModel):
        return JSONResponse(content.model_dump(mode="json", by_alias=True))
    return JSONResponse([each.model_dump(mode="json", by_alias=True) for each in content])


_BINARY = {"type": "string", "format": "binary"}
_IMAGES = {
    "requestBody": {
        "required": True,
        "description": "One image as it is, or several as the files of a form.",
        "content": {
            "image/*": {"schema": _BINARY},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"image": {"type": "array", "items": _BINARY}},
                }
            },
        },
    }
}
