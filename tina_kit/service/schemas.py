"""What requests and answers hold."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tina_kit.service.lookup import Looked, Status

FileFormat = Literal["safetensors", "onnx", "html"]
_SHAPES = ["red circle", "blue star", "grey ring"]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ModelRequest(_Given):
    """classes: names, in the order of the p-Model's answers; generator: one of /v1/generators, by
    default the first; format: of the file to answer with, else its description; strict: refuse
    classes that are too dissimilar to every seen one."""

    classes: Annotated[list[str], Field(min_length=2, examples=[_SHAPES])]
    generator: Annotated[str | None, Field(examples=[None])] = None
    format: Annotated[FileFormat | None, Field(examples=[None])] = None
    strict: bool = False


class LookupRequest(_Given):
    names: Annotated[list[str], Field(examples=[["red circle", "Red_Circle", "violet star"]])]
    generator: Annotated[str | None, Field(examples=[None])] = None


class NearClass(BaseModel):
    name: str
    cosine: float


class LookedUp(BaseModel):
    """status: known: trained on this class; near: on similar ones; strange: on none that is
    similar, so that a p-Model is likely to be wrong about it; wrong: it cannot be a class."""

    name: str
    status: Status
    known_as: str | None
    nearest: list[NearClass]
    problem: str | None

    @classmethod
    def of(cls, found: Looked) -> LookedUp:
        near = [NearClass(name=name, cosine=cosine) for name, cosine in found.nearest]
        return cls(
            name=found.name,
            status=found.status,
            known_as=found.known_as,
            nearest=near,
            problem=found.problem,
        )


class Model(BaseModel):
    """id: for predictions and files; seconds: that this request took; info: as `PModel.info`."""

    id: Annotated[str, Field(examples=["0f3c1e7a9b5d2468ace013579bdf2468"])]
    generator: str
    classes: list[LookedUp]
    seconds: float
    bytes: int
    info: dict[str, Any]


class Share(BaseModel):
    name: Annotated[str, Field(serialization_alias="class", examples=["blue star"])]
    probability: Annotated[float, Field(examples=[0.93])]


class ImageAnswer(BaseModel):
    """top: of the p-Model; selection: of classifier selection, if `compare` asks for it."""

    image: Annotated[str, Field(examples=["photo.png"])]
    top: list[Share]
    selection: list[Share] | None = None


class Prediction(BaseModel):
    """selection: whether there is classifier selection to compare with: the run must have been
    trained on all classes. seconds: that this request took."""

    images: list[ImageAnswer]
    selection: bool
    seconds: float


class KnownClass(BaseModel):
    """seen: whether the run was trained on images of it."""

    name: str
    seen: bool


class KnownClasses(BaseModel):
    generator: str
    classes: list[KnownClass]


class GeneratorFacts(BaseModel):
    """expected: p-Acc on the run's own tasks: p_acc in percent, ci95, tasks, classes."""

    name: str
    run: str
    classes: int
    expected: dict[str, Any] | None


class Generators(BaseModel):
    generators: list[GeneratorFacts]
    most_classes: int


class Health(BaseModel):
    status: Literal["ok"]
    version: str
