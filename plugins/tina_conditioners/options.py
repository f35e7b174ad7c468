"""Options of the conditioners."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from tina_kit.api import Aside, ComponentSpec, Nested, Options, Unit

MINI = "mini-clip"
"""The open_clip configuration that comes with tina-kit."""


class HashedNgramsOptions(Options):
    width: Annotated[int, Unit("dimensions")] = Field(
        256, ge=8, le=65_536, description="width of the embeddings"
    )
    letters: Annotated[int, Unit("letters")] = Field(
        3, ge=1, le=100, description="length of the letter n-grams used besides whole words"
    )


class SentenceTransformerOptions(Options):
    model: str | Path = Field(
        "all-MiniLM-L6-v2",
        description="a name on the Hugging Face hub, or a folder (./encoder, relative to the "
        "recipe); the default comes as a Python package",
    )
    template: str = Field("{}", pattern=r"\{\}", description="{} is replaced by the prompt")
    offline: Annotated[bool, Aside()] = Field(
        True, description="use only models that are already on this machine"
    )


class EmbeddingTableOptions(Options):
    # Not part of keys: the file's content is.
    path: Annotated[str | Path, Aside()] = Field(
        description=".npz with `names` (N strings) and `embeddings` (N × D); a file that is not "
        "beside the recipe is looked up in $TINA_KIT_DATA",
        examples=["clip_vit_b32_cifar100.npz"],
    )
    normalise: bool = Field(True, description="scale every vector to length 1")


class OpenClipOptions(Options):
    component: ClassVar[str] = "open-clip"  # for messages
    model: str = Field("ViT-B-32", description="an open_clip configuration, or mini-clip")
    config: Path | None = Field(
        None, description="your own open_clip configuration (.json), instead of `model`"
    )
    weights: Literal["pretrained", "random"] = Field(
        "pretrained", description="pretrained, or random (for a trial); mini-clip trains its own"
    )
    pretrained: str | None = Field(
        "openai",
        description="open_clip's tag of the weights, which also sets the activation and image "
        "statistics that they were trained with; null for the configuration's own. Required with "
        "a checkpoint, unless config is set",
    )
    checkpoint: Path | None = Field(
        None, description="a file with these weights (safetensors or torch), to avoid a download"
    )
    template: str = Field(
        "a photo of a {}", pattern=r"\{\}", description="{} is replaced by the prompt"
    )
    seed: int = Field(0, ge=0, lt=2**30, description="random seed of the (initial) weights")

    @property
    def untagged(self) -> str:
        """The option that names a model without pretrained tags in open_clip, "" if it has tags."""
        return "config" if self.config is not None else "model" if self.model == MINI else ""

    def without_effect(self) -> Mapping[str, str]:
        idle = {}
        if self.config is not None:
            idle["model"] = "config"
        if self.weights == "pretrained":
            idle["seed"] = "weights"
        if self.pretrained is not None and self.weights != "pretrained":
            idle["pretrained"] = "weights"
        elif self.pretrained is not None and self.untagged:
            idle["pretrained"] = self.untagged
        return idle

    @field_validator("weights", mode="before")
    @classmethod
    def _trained_by_another(cls, weights: object) -> object:
        if weights == "train" and not issubclass(cls, MiniClipOptions):
            raise ValueError(f"{cls.component} cannot train weights; use mini-clip")
        return weights

    @model_validator(mode="after")
    def _checkpoint_is_pretrained(self) -> OpenClipOptions:
        if self.checkpoint is not None and self.weights != "pretrained":
            raise ValueError(f"checkpoint requires weights: pretrained, not {self.weights}")
        return self

    @model_validator(mode="after")
    def _weights_in_a_file_have_a_tag(self) -> OpenClipOptions:
        tagged = self.checkpoint is None or self.untagged or "pretrained" in self.model_fields_set
        if not tagged:
            raise ValueError(
                "checkpoint: give pretrained too, since the activation (QuickGELU or GELU) and the "
                "image statistics depend on the weights: their tag in open_clip, or null for the "
                "configuration's"
            )
        return self


class MiniClipOptions(OpenClipOptions):
    component: ClassVar[str] = "mini-clip"
    model: str = Field(
        "mini-clip", description="mini-clip, or the name of an open_clip configuration"
    )
    weights: Literal["pretrained", "random", "train"] = Field(  # type: ignore[assignment]
        "train",
        description="train (on the data set's training images and class names), pretrained "
        "(requires checkpoint) or random",
    )
    steps: Annotated[int, Unit("steps")] = Field(
        1500, gt=0, le=1_000_000_000, description="training steps; the defaults suit Caltech-101"
    )
    batch_size: Annotated[int, Unit("images")] = Field(
        256, gt=1, le=65_536, description="images per training step"
    )
    learning_rate: float = Field(2e-3, gt=0, description="peak learning rate of AdamW")
    weight_decay: float = Field(0.1, ge=0, description="weight decay of AdamW")

    def without_effect(self) -> Mapping[str, str]:
        of_training = ("steps", "batch_size", "learning_rate", "weight_decay")
        idle = {} if self.weights == "train" else dict.fromkeys(of_training, "weights")
        return {**super().without_effect(), **idle}


class DescriptionsOptions(Options):
    beside: ClassVar[Mapping[str, str]] = {"dataset": "caltech101"}

    file: Path | None = Field(None, description="YAML file of `class name: sentence`")
    set: str | None = Field(
        None,
        description="name of a set of descriptions that comes with tina-kit, instead of `file`",
        examples=["caltech101"],
    )
    text: Annotated[ComponentSpec, Nested("conditioner")] = Field(
        ComponentSpec(use="sentence-transformer"),
        description="the conditioner that embeds the sentences",
    )

    @model_validator(mode="after")
    def _one_source(self) -> DescriptionsOptions:
        if (self.file is None) == (self.set is None):
            raise ValueError("give either file or set")
        return self


class LlmDescriptionsOptions(Options):
    model: str = Field("gpt-4", description="name of the language model at the endpoint")
    endpoint: str = Field(
        "https://api.openai.com/v1",
        pattern=r"^https?://[!-~]+$",
        description="base URL of an OpenAI-compatible API with /chat/completions",
    )
    key_variable: Annotated[str | None, Aside()] = Field(
        "OPENAI_API_KEY",
        pattern=r"^[A-Z][A-Z0-9_]*_API_KEY$",
        description="environment variable with the API key, named *_API_KEY; null if no key is "
        "needed. Keys are only sent over https or to this machine",
    )
    prompt: str = Field(
        "Describe what a {} looks like, in one sentence of at most 25 words, so that somebody "
        "would recognise it in a photograph. Do not use any word of its name.",
        pattern=r"\{\}",
        description="{} is replaced by the class name",
    )
    words: Annotated[int, Unit("words")] = Field(
        40, ge=1, le=1000, description="maximum length of an answer; longer ones are rejected"
    )
    temperature: float | None = Field(
        0.0, ge=0, description="sampling temperature; null leaves it to the endpoint"
    )
    timeout: Annotated[float, Unit("seconds"), Aside()] = Field(
        60.0,
        gt=0,
        le=3600,
        description="maximum time from sending a request to the end of its answer",
    )
    retries: Annotated[int, Unit("attempts"), Aside()] = Field(
        5, ge=0, le=100, description="retries after a failed request or rejected answer"
    )
    backoff: Annotated[float, Unit("seconds"), Aside()] = Field(
        1.0,
        ge=0,
        le=600,
        description="delay before the first retry; doubled for each further one, up to 600",
    )
    text: Annotated[ComponentSpec, Nested("conditioner")] = Field(
        ComponentSpec(use="sentence-transformer"),
        description="the conditioner that embeds the sentences",
    )

    @field_validator("endpoint")
    @classmethod
    def _is_an_address(cls, endpoint: str) -> str:
        try:
            parts = urlsplit(endpoint)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"is not a valid address: {error}") from None
        if not host:
            raise ValueError("has no host")
        if parts.username is not None or parts.query or parts.fragment or "\\" in endpoint:
            raise ValueError(
                "must be only a host and a path; pass a key by `key_variable`, not in the address"
            )
        return endpoint

    @model_validator(mode="after")
    def _the_key_stays_private(self) -> LlmDescriptionsOptions:
        secure = self.endpoint.startswith("https:") or self.is_local
        if self.key_variable is not None and not secure:
            raise ValueError(
                f"endpoint: the key in {self.key_variable} is only sent over https or to this "
                f"machine, and {self.endpoint} is neither. Use https, or `key_variable: null` for "
                "an endpoint that needs no key"
            )
        return self

    @property
    def is_local(self) -> bool:
        """Whether the endpoint is on this machine."""
        host = urlsplit(self.endpoint).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"
