"""The file of a bundle: a zip of safetensors and JSON, which is untrusted when it is read.

`bundle.json` describes the rest, `tensors.safetensors` holds what the core needs, `generators/N/`
and `conditioner/` what components saved, `README.md` the card. Nothing in it is code.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

import tina_kit
from tina_kit.api import (
    UserError,
    abridged,
    first_line,
    name_index,
    read_text,
)
from tina_kit.store.output import check_output
from tina_kit.store.zipped import check_members, extract, not_such, reading, write_zip
from tina_kit.zoo.pmodel_file import Side
from tina_kit.zoo.rejection import Rejection

FORMAT, VERSION = "tina-kit bundle", 1
MANIFEST, TENSORS, CARD = "bundle.json", "tensors.safetensors", "README.md"
CONDITIONER = "conditioner"
LARGEST_JSON = 1 << 26
"""In bytes."""
_MEMBERS = 1000
_NAME = re.compile(r"(generators/\d{1,3}|conditioner)/[A-Za-z0-9_-][\w.-]{0,99}", re.ASCII)

Folder = Annotated[str, Field(pattern=r"^generators/[0-9]{1,3}$")]
Index = Annotated[int, Field(ge=0)]


class Needed(BaseModel):
    """A component that a bundle needs: kind, full name, version, and distribution."""

    model_config = ConfigDict(strict=True, frozen=True)
    kind: str
    name: str
    version: int
    origin: str


class GeneratorEntry(BaseModel):
    """component: as in a recipe; folder: what it saved, None if it does not learn; inherited: the
    folders of the rows that its options name; expected: see `pipeline.expected`; rejection: see
    `zoo.rejection`."""

    model_config = ConfigDict(strict=True, frozen=True)
    name: str
    component: dict[str, Any]
    folder: Folder | None
    inherited: dict[str, Folder]
    expected: dict[str, Any] | None
    rejection: list[Rejection] = []


class Manifest(BaseModel):
    """`bundle.json`. classes: of the data set; seen, learned: places among them, see
    `pipeline.answering`; task_classes: of the largest task of the zoo; width: D."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")
    name: str
    seed: int
    classes: list[str] = Field(min_length=2)
    seen: list[Index] = Field(min_length=1)
    learned: list[Index]
    image_size: list[Side] = Field(min_length=2, max_length=2)
    task_classes: int = Field(ge=2)
    width: int = Field(ge=1, le=1 << 20)
    architecture: dict[str, Any]
    conditioner: dict[str, Any]
    generator: GeneratorEntry
    needs: list[Needed]
    licence: str
    made_by: dict[str, Any]


class BundleFile:
    """A bundle's content, extracted to a folder that lives as long as this object."""

    def __init__(self, path: Path) -> None:
        """Raises UserError if the file is no bundle, is damaged or of a newer format."""
        self.path = path
        with reading(path, "a bundle", self.damaged) as archive:
            self._kept = TemporaryDirectory(prefix="tina-kit-bundle-")
            self.folder = Path(self._kept.name)
            self._check(archive)
            self.manifest = self._manifest(archive)
            for name in archive.namelist():
                extract(archive, name, self.folder / name)

    @property
    def card(self) -> str:
        """Its model card, in Markdown; "" if it has none. Raises UserError if it is no text."""
        file = self.folder / CARD
        try:
            return read_text(file, LARGEST_JSON) if file.exists() else ""
        except UserError as error:
            raise self.damaged(str(error).removeprefix(f"{self.folder}/")) from None

    def damaged(self, why: str) -> UserError:
        return not_such(self.path, "a bundle")(why)

    def tensors(self, name: str = TENSORS) -> dict[str, Tensor]:
        """Of a member. Raises UserError if it is damaged or contains NaN or infinity."""
        from safetensors.torch import load_file

        try:
            tensors = load_file(self.folder / name)
        except Exception as error:
            raise self.damaged(f"{name}: {first_line(error)[:300]}") from None
        if unfit := [key for key, tensor in tensors.items() if not _finite(tensor)]:
            raise self.damaged(f"{name}: {abridged(unfit)} contain NaN or infinity")
        return tensors

    def saved(self, folder: str) -> dict[str, Tensor]:
        """All tensors that a component saved, by file and name, checked as in `tensors`."""
        files = sorted((self.folder / folder).glob("*.safetensors"))
        return {
            f"{file.name}/{key}": tensor
            for file in files
            for key, tensor in self.tensors(f"{folder}/{file.name}").items()
        }

    def _check(self, archive: zipfile.ZipFile) -> None:
        names = archive.namelist()
        if MANIFEST not in names:
            raise UserError(f"{self.path}: not a tina-kit bundle: it has no {MANIFEST}")
        if TENSORS not in names:
            raise self.damaged(f"it has no {TENSORS}")
        check_members(archive, self.path.stat().st_size, _MEMBERS, _is_member, "bundle")

    def _manifest(self, archive: zipfile.ZipFile) -> Manifest:
        if archive.getinfo(MANIFEST).file_size > LARGEST_JSON:
            raise self.damaged(f"{MANIFEST} is too large")
        try:
            raw = json.loads(archive.read(MANIFEST))
        except RecursionError:
            raise self.damaged(f"{MANIFEST} is nested too deeply") from None
        told = raw if isinstance(raw, dict) else {}
        stated, version = told.get("format"), told.get("version")
        if stated != FORMAT or not isinstance(version, int):
            raise UserError(f"{self.path}: not a tina-kit bundle (format {str(stated)[:100]!r})")
        if version > VERSION:
            raise UserError(
                f"{self.path}: this bundle has format {version}, but tina-kit "
                f"{tina_kit.__version__} reads format {VERSION}; install a newer tina-kit"
            )
        try:
            manifest = Manifest.model_validate(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(step) for step in first["loc"])
            raise self.damaged(f"{MANIFEST}: {place}: {first['msg']}") from None
        try:
            name_index(manifest.classes)
        except UserError as error:
            raise self.damaged(f"{MANIFEST}: classes: {error}") from None
        count = len(manifest.classes)
        if max(*manifest.seen, *manifest.learned, 0) >= count or manifest.task_classes > count:
            raise self.damaged(f"{MANIFEST}: it has fewer classes than it says elsewhere")
        if len(set(manifest.seen)) < len(manifest.seen):
            raise self.damaged(f"{MANIFEST}: a class was seen twice")
        sizes = [each.classes for each in manifest.generator.rejection]
        if sizes != sorted(set(sizes)):
            raise self.damaged(f"{MANIFEST}: its thresholds are not in order")
        return manifest


def _is_member(name: str) -> bool:
    return name in (MANIFEST, TENSORS, CARD) or bool(_NAME.fullmatch(name))


def write_bundle(
    path: Path,
    manifest: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    folders: Mapping[str, Path],
    card: str,
) -> int:
    """Write a bundle and return its size in bytes. folders: by name in the bundle, the folders of
    what components saved. Raises UserError if `path` cannot be written."""
    from safetensors.torch import save

    check_output(path)
    whole = {"format": FORMAT, "version": VERSION, **manifest}
    packed = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    manifest_text = json.dumps(whole, ensure_ascii=False)
    texts: dict[str, str | bytes] = {MANIFEST: manifest_text, CARD: card, TENSORS: packed}
    files = {
        f"{name}/{file.name}": file
        for name, folder in folders.items()
        for file in sorted(folder.iterdir())
    }
    return write_zip(path, texts, files)


def _finite(tensor: Tensor) -> bool:
    floating = tensor.is_floating_point() or tensor.is_complex()
    return not floating or bool(torch.isfinite(tensor).all())
