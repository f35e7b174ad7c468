"""Answers from a bundle: everything that generating needs, from one untrusted file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from tina_kit.api import (
    Architecture,
    Conditioner,
    Context,
    Generator,
    TinaKitError,
    UserError,
    first_line,
    printable,
)
from tina_kit.pipeline.answering import Answering, Candidate
from tina_kit.pipeline.forbidden import NoImages, no_look, no_training
from tina_kit.plugins import Registry
from tina_kit.plugins.registry import UnknownComponent
from tina_kit.recipe import ResolvedComponent
from tina_kit.recipe.node import RecipeError
from tina_kit.recipe.resolve import resolve_plain
from tina_kit.training import Observers
from tina_kit.zoo.bundle_file import CONDITIONER, BundleFile, GeneratorEntry
from tina_kit.zoo.pmodel_file import built as module_of
from tina_kit.zoo.pmodel_file import no_larger_than
from tina_kit.zoo.rejection import Rejection

GENERIC = "generic."
"""Begins the names of the generic model's tensors in a bundle."""


class Bundle(Answering):
    """trust: whether its components may ask servers. Raises UserError for a file that is damaged or
    does not fit what is installed."""

    def __init__(
        self, file: BundleFile, registry: Registry, device: torch.device, trust: bool = False
    ) -> None:
        self.file, self._registry, self.device = file, registry, device
        self.manifest = manifest = file.manifest
        self.name, self.seed, self.observer = manifest.name, manifest.seed, Observers([])
        if not trust and (server := _server(manifest.conditioner) or _server(manifest.generator)):
            raise UserError(
                f"{file.path}: this bundle sends class names to the server "
                f"{printable(server[:200])}. If you trust whoever made it, allow that with --trust "
                "(trust=True)"
            )
        self.warnings = self._check_needs()
        self._tensors = file.tensors()
        self._check_tensors()

    def _check_needs(self) -> list[str]:
        """Versions that differ; raises UserError for what is missing."""
        missing, others = [], []
        for need in self.manifest.needs:
            try:
                entry = self._registry.get(need.kind, need.name)
            except UnknownComponent as error:
                missing.append(f"the {need.kind} {need.name} of {need.origin} ({error})")
                continue
            if entry.component.version != need.version:
                others.append(
                    f"{need.kind} {need.name} has version {entry.component.version} here, but "
                    f"{need.version} made this bundle: p-Models may differ"
                )
        if missing:
            listed = printable("; ".join(missing), lines=True)
            raise UserError(f"{self.file.path}: this bundle needs what is not installed: {listed}")
        return others

    def _check_tensors(self) -> None:
        manifest, tensors = self.manifest, self._tensors
        rows = (len(manifest.seen), manifest.width)
        shapes = {"conditions.seen": rows, "conditions.padding": (manifest.width,)}
        if "conditions.images" in tensors:
            shapes["conditions.images"] = rows
        for name, shape in shapes.items():
            tensor = tensors.get(name)
            if tensor is None or tuple(tensor.shape) != shape or tensor.dtype != torch.float32:
                raise self.file.damaged(f"{name} is not float32 {shape}")
        try:
            module_of(self.architecture, len(manifest.seen), self.generic_state)
        except UserError as error:
            raise self.file.damaged(f"the generic model: {error}") from None

    @property
    def class_names(self) -> Sequence[str]:
        return self.manifest.classes

    @cached_property
    def seen(self) -> Tensor:
        return torch.tensor(self.manifest.seen)

    @cached_property
    def learned(self) -> set[int]:
        return set(self.manifest.learned)

    @property
    def image_size(self) -> tuple[int, int]:
        height, width = self.manifest.image_size
        return height, width

    @cached_property
    def architecture(self) -> Architecture:
        return self.built(self.manifest.architecture, "architecture")  # type: ignore[no-any-return]

    @property
    def architecture_settings(self) -> Mapping[str, Any]:
        return self.manifest.architecture

    @cached_property
    def generic_state(self) -> dict[str, Tensor]:
        named = self._tensors.items()
        return {key.removeprefix(GENERIC): t for key, t in named if key.startswith(GENERIC)}

    @cached_property
    def conditioner(self) -> Conditioner:
        conditioner: Conditioner = self.built(self.manifest.conditioner, "conditioner")
        conditioner.device = self.device
        try:
            if conditioner.learns:
                saved = self.file.saved(CONDITIONER)
                with no_larger_than(saved):
                    conditioner.load(self.file.folder / CONDITIONER)
            width = conditioner.width
        except TinaKitError:
            raise
        except Exception as error:  # altered files can cause any
            raise self.file.damaged(f"its conditioner: {first_line(error)[:300]}") from None
        if width != self.manifest.width:
            raise self.file.damaged(
                f"its conditioner gives {width} numbers here, but gave {self.manifest.width}"
            )
        return conditioner

    def check_images(self) -> None:
        if "conditions.images" not in self._tensors:
            raise UserError(
                f"{self.file.path}: this bundle answers class names, and no images; its "
                "conditioner takes none, or there were no images when it was made"
            )

    @property
    def seen_rows(self) -> Tensor:
        return self._tensors["conditions.seen"]

    @property
    def seen_images(self) -> Tensor:
        return self._tensors["conditions.images"]

    @cached_property
    def candidates(self) -> Sequence[Candidate]:
        return [_Bundled(self, self.manifest.generator)]

    def resolved(self, settings: Mapping[str, Any], kind: str) -> ResolvedComponent:
        try:
            return resolve_plain(
                settings, kind, str(self.file.path), self._registry, elsewhere=True
            )
        except RecipeError as error:
            raise UserError(f"its {kind} is not available here:\n{error}") from None
        except RecursionError:
            raise self.file.damaged(f"the options of its {kind} are nested too deeply") from None

    def built(self, settings: Mapping[str, Any], kind: str) -> Any:
        """A component from its settings in the file."""
        component = self.resolved(settings, kind)
        try:
            return component.build()
        except TinaKitError:
            raise
        except Exception as error:  # unusual options can cause any
            why = f"its {kind} rejects its options: {first_line(error)[:300]}"
            raise self.file.damaged(why) from None

    def context(self, entry: GeneratorEntry) -> Context:
        architecture, seen = self.architecture, self.seen
        return Context(
            architecture=architecture,
            classes=self.manifest.task_classes,
            class_count=len(self.class_names),
            width=self.manifest.width,
            padding=self._tensors["conditions.padding"],
            generic=architecture.layout(len(seen)).flatten(self.generic_state),
            generic_classes=seen,
            frozen=self.generic_state,
            device=self.device,
            train=no_training,
            learning=NoImages(),
            personalise=no_look,
            inherited={
                option: self.file.folder / folder for option, folder in entry.inherited.items()
            },
        )


class _Bundled(Candidate):
    """The generator of a bundle."""

    def __init__(self, bundle: Bundle, entry: GeneratorEntry) -> None:
        self._bundle, self._entry, self.name = bundle, entry, entry.name

    @cached_property
    def flags(self) -> Generator:
        return self._bundle.built(self._entry.component, "generator")  # type: ignore[no-any-return]

    @property
    def settings(self) -> Mapping[str, Any]:
        return self._entry.component

    @property
    def expected(self) -> dict[str, Any] | None:
        return self._entry.expected

    @property
    def rejection(self) -> Sequence[Rejection]:
        return self._entry.rejection

    def ready(self) -> Generator:
        bundle, entry = self._bundle, self._entry
        generator: Generator = bundle.built(entry.component, "generator")
        folders = [*entry.inherited.values(), *([entry.folder] if entry.folder else [])]
        saved: dict[str, Tensor] = {}
        for folder in folders:
            saved |= {f"{folder}/{k}": t for k, t in bundle.file.saved(folder).items()}
        try:
            with no_larger_than(saved):
                generator.setup(bundle.context(entry))
                if generator.learns:
                    if entry.folder is None:
                        raise bundle.file.damaged("what its generator has learned is missing")
                    generator.load(bundle.file.folder / entry.folder)
        except (TinaKitError, MemoryError):
            raise
        except Exception as error:  # altered files can cause any
            raise bundle.file.damaged(f"its generator: {first_line(error)[:300]}") from None
        return generator


def _server(settings: Any) -> str | None:
    """The first address of a server among options, at any depth."""
    waiting = [settings.component if isinstance(settings, GeneratorEntry) else settings]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and "://" in value:
            return value
        if isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return None
