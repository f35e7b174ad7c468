"""The file of a bundle: a zip of safetensors and JSON, which is untrusted when it is read.

Members are stored as they are, so that a file's size bounds what is read from it. `bundle.json`
describes the rest, `tensors.safetensors` holds what the core needs, `generators/N/` and
`conditioner/` what components saved, `README.md` the card. Nothing in it is code.
"""

from __future__ import annotations

import json
import re
import shutil
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
    file_problem,
    first_line,
    name_index,
    printable,
    read_text,
)
from tina_kit.store.disk import OUTPUT_REMEDY, explaining
from tina_kit.store.files import replacing
from tina_kit.store.output import check_output, is_stream, write_output
from tina_kit.zoo.pmodel_file import Side
from tina_kit.zoo.rejection import Rejection

FORMAT, VERSION = "tina-kit bundle", 1
MANIFEST, TENSORS, CARD = "bundle.json", "tensors.safetensors", "README.md"
CONDITIONER = "conditioner"
LARGEST_JSON = 1 << 26
"""In bytes."""
_MEMBERS = 1000
_NAME = re.compile(r"(generators/\d{1,3}|conditioner)/[A-Za-z0-9_-][\w.-]{0,99}", re.ASCII)
_DATED = (1980, 1, 1, 0, 0, 0)  # so that the same content gives the same bytes

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
        if problem := file_problem(path):
            raise UserError(f"{path}: cannot read a bundle: {problem}")
        self._kept = TemporaryDirectory(prefix="tina-kit-bundle-")
        self.folder = Path(self._kept.name)
        try:
            with zipfile.ZipFile(path) as archive:
                self._check(archive)
                self.manifest = self._manifest(archive)
                for member in archive.infolist():
                    self._extract(archive, member)
        except (UserError, MemoryError):
            raise
        except OSError as error:
            raise UserError(f"{path}: cannot read a bundle: {error.strerror or error}") from None
        except Exception as error:  # a damaged zip can raise anything
            raise self.damaged(first_line(error)[:300] or type(error).__name__) from None

    @property
    def card(self) -> str:
        """Its model card, in Markdown; "" if it has none. Raises UserError if it is no text."""
        file = self.folder / CARD
        try:
            return read_text(file, LARGEST_JSON) if file.exists() else ""
        except UserError as error:
            raise self.damaged(str(error).removeprefix(f"{self.folder}/")) from None

    def damaged(self, why: str) -> UserError:
        return UserError(f"{self.path}: not a bundle, or a damaged one: {printable(why)}")

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
        members = archive.infolist()
        names = [member.filename for member in members]
        if MANIFEST not in names:
            raise UserError(f"{self.path}: not a tina-kit bundle: it has no {MANIFEST}")
        if TENSORS not in names:
            raise self.damaged(f"it has no {TENSORS}")
        if len(names) > _MEMBERS or len(set(names)) < len(names):
            raise self.damaged("it has too many members, or two of one name")
        odd = [n for n in names if n not in (MANIFEST, TENSORS, CARD) and not _NAME.fullmatch(n)]
        if odd:
            raise self.damaged(f"it has members that no bundle has: {abridged(odd)[:300]}")
        if any(m.compress_type != zipfile.ZIP_STORED or m.flag_bits & 1 for m in members):
            raise self.damaged("its members are compressed or encrypted")
        if sum(member.file_size for member in members) > self.path.stat().st_size:
            raise self.damaged("its members are larger than the file")

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

    def _extract(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
        target = self.folder / member.filename
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)  # compares the checksum at the end


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
    texts = {MANIFEST: json.dumps(whole, ensure_ascii=False), CARD: card}
    packed = save({name: tensor.contiguous() for name, tensor in tensors.items()})

    def write(draft: Path) -> None:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
            for name, text in texts.items():
                archive.writestr(_info(name), text)
            archive.writestr(_info(TENSORS), packed)
            for name, folder in folders.items():
                for file in sorted(folder.iterdir()):
                    with (
                        file.open("rb") as source,
                        archive.open(_info(f"{name}/{file.name}"), "w", force_zip64=True) as target,
                    ):
                        shutil.copyfileobj(source, target, 1 << 20)

    if is_stream(path):
        with TemporaryDirectory() as folder:
            write(Path(folder) / "bundle")
            content = (Path(folder) / "bundle").read_bytes()
        write_output(path, content)
        return len(content)
    try:
        with explaining(path.parent, OUTPUT_REMEDY), replacing(Path(path).resolve()) as draft:
            write(draft)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
    return path.stat().st_size


def _info(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, _DATED)


def _finite(tensor: Tensor) -> bool:
    floating = tensor.is_floating_point() or tensor.is_complex()
    return not floating or bool(torch.isfinite(tensor).all())
