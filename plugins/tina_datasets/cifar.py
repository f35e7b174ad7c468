"""CIFAR-10 and CIFAR-100, as torchvision lays them out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from tina_datasets.advice import misplaced, packed
from tina_datasets.archive import BrokenArchive, as_text, read_archive
from tina_datasets.files import data_root, first_of_each, missing
from tina_datasets.options import CifarOptions
from tina_kit.api import Dataset, Images, Split, UserError, as_words, name_index, name_key

SIZE = 32
CHANNELS = 3
COARSE, COARSE_NAMES = "coarse_labels", "coarse_label_names"
SUPERCLASSES = (
    ("beaver", "dolphin", "otter", "seal", "whale"),
    ("aquarium fish", "flatfish", "ray", "shark", "trout"),
    ("orchid", "poppy", "rose", "sunflower", "tulip"),
    ("bottle", "bowl", "can", "cup", "plate"),
    ("apple", "mushroom", "orange", "pear", "sweet pepper"),
    ("clock", "keyboard", "lamp", "telephone", "television"),
    ("bed", "chair", "couch", "table", "wardrobe"),
    ("bee", "beetle", "butterfly", "caterpillar", "cockroach"),
    ("bear", "leopard", "lion", "tiger", "wolf"),
    ("bridge", "castle", "house", "road", "skyscraper"),
    ("cloud", "forest", "mountain", "plain", "sea"),
    ("camel", "cattle", "chimpanzee", "elephant", "kangaroo"),
    ("fox", "porcupine", "possum", "raccoon", "skunk"),
    ("crab", "lobster", "snail", "spider", "worm"),
    ("baby", "boy", "girl", "man", "woman"),
    ("crocodile", "dinosaur", "lizard", "snake", "turtle"),
    ("hamster", "mouse", "rabbit", "shrew", "squirrel"),
    ("maple tree", "oak tree", "palm tree", "pine tree", "willow tree"),
    ("bicycle", "bus", "motorcycle", "pickup truck", "train"),
    ("lawn mower", "rocket", "streetcar", "tank", "tractor"),
)
"""The classes of each of CIFAR-100's superclasses, in the order of the archive's coarse labels."""


@dataclass(frozen=True)
class Archive:
    """torchvision: its class, which knows the address and the checksums. labels, names: keys."""

    title: str
    torchvision: str
    folder: str
    packed: str
    files: dict[Split, tuple[str, ...]]
    meta: str
    labels: str
    names: str

    @property
    def all_files(self) -> tuple[str, ...]:
        return (*self.files["train"], *self.files["test"], self.meta)


class _Cifar(Dataset):
    archive: ClassVar[Archive]

    def __init__(self, options: CifarOptions) -> None:
        self.options = options

    @cached_property
    def _folder(self) -> Path:
        """The folder of the archive's files, all there."""
        archive = self.archive
        holds = f"{archive.folder}/ (or, with `download: true`, where to download it)"
        root = data_root(self.options.root, archive.title, holds)
        folder = root / archive.folder
        if self.options.download and self._missing(folder):
            self._download(root)
        lacking = self._missing(folder)
        if not lacking:
            return folder
        remedy = (
            packed(root / archive.packed, root)
            if (root / archive.packed).is_file()
            else misplaced(root, archive.folder)
        )
        where = f"{folder}: no {', '.join(lacking)}"
        holds = f"{archive.folder}/, or set `download: true` to download it"
        raise missing(archive.title, where, holds, remedy)

    def _missing(self, folder: Path) -> list[str]:
        return [name for name in self.archive.all_files if not (folder / name).is_file()]

    def _download(self, root: Path) -> None:
        from torchvision.datasets.utils import download_and_extract_archive

        known = _torchvision(self.archive)
        try:
            root.mkdir(parents=True, exist_ok=True)
            download_and_extract_archive(known.url, root, md5=known.tgz_md5)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{self.archive.title} cannot be downloaded from {known.url} to {root} ({error}). "
                f"Download {self.archive.packed} by other means and unpack it there"
            ) from error

    def _read(self, name: str, *keys: str) -> list[Any]:
        """The values of `keys` in a file. Raises UserError if it is missing or damaged."""
        content = self._content(name, *keys)
        return [content[key] for key in keys]

    def _content(self, name: str, *keys: str) -> dict[str, Any]:
        """The content of a file, which must include `keys`."""
        path = self._folder / name
        try:
            if self.options.verify and _md5(path) != _published(self.archive, name):
                raise BrokenArchive("its checksum differs")
            content = read_archive(path)
            lacking = [key for key in keys if key not in content]
            if lacking:
                raise BrokenArchive(f"it has no {', '.join(lacking)}")
            return content
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        except BrokenArchive as error:
            raise self._broken(path, error) from None

    def _broken(self, path: Path, reason: object) -> UserError:
        published = _published(self.archive, path.name)
        return UserError(
            f"{path}: not a valid file of {self.archive.title}: {reason}. It has "
            f"{path.stat().st_size} bytes and MD5 {_md5(path)}; the published file has "
            f"{published}. Remove {path.parent} and unpack {self.archive.packed} again, or remove "
            "both and set `download: true`"
        )

    def _names(self, key: str) -> list[str]:
        """The words of an underscored list of names."""
        (names,) = self._read(self.archive.meta, key)
        try:
            if not isinstance(names, list) or len(names) < 2:
                raise BrokenArchive(f"{key} is not a list of names")
            words = [as_words(as_text(name)) for name in names]
            name_index(words, [f"entry {number} of {key}" for number in range(len(words))])
            return words
        except (BrokenArchive, UserError) as error:
            raise self._broken(self._folder / self.archive.meta, error) from None

    def _labels(self, name: str, labels: object, classes: int) -> NDArray[np.int64]:
        """int64 `(N,)` in [0, classes)."""
        try:
            found = np.asarray(labels)
        except ValueError:
            found = np.empty(0)
        if found.ndim != 1 or found.dtype.kind not in "iu" or not len(found):
            raise self._broken(self._folder / name, "its labels are not a list of integers")
        if found.min() < 0 or found.max() >= classes:
            raise self._broken(
                self._folder / name,
                f"its labels range from {found.min()} to {found.max()}, but there are {classes} "
                "names",
            )
        return found.astype(np.int64)

    @cached_property
    def class_names(self) -> Sequence[str]:
        """The archive's names as words: `aquarium_fish` is "aquarium fish"."""
        return self._names(self.archive.names)

    def files(self) -> Mapping[str, str | Path]:
        return {name: self._folder / name for name in self.archive.all_files}

    def fingerprint(self) -> str:
        """`files` answers for the images."""
        count = self.options.images_per_class
        return "" if count is None else f"the first {count} of each class"

    def load(self, split: Split) -> Images:
        read = [self._batch(name) for name in self.archive.files[split]]
        pixels = np.concatenate([pixels for pixels, _ in read])
        known = np.concatenate([labels for _, labels in read])
        if self.options.images_per_class is not None:
            kept = first_of_each(known.tolist(), self.options.images_per_class)
            pixels, known = pixels[kept], known[kept]
        images, labels = torch.from_numpy(pixels), torch.from_numpy(known)
        if self.options.size != SIZE:
            size = (self.options.size, self.options.size)
            images = F.interpolate(images, size, mode="bilinear", antialias=True)
        return Images(images, labels)

    def _batch(self, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """uint8 `(N, 3, 32, 32)` and int64 `(N,)`."""
        pixels, given = self._read(name, "data", self.archive.labels)
        labels = self._labels(name, given, len(self.class_names))
        shape = (len(labels), CHANNELS * SIZE * SIZE)
        if not isinstance(pixels, np.ndarray) or (pixels.shape, pixels.dtype) != (shape, np.uint8):
            found = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else "none"
            raise self._broken(
                self._folder / name, f"its images are {found} instead of uint8 {shape}"
            )
        return pixels.reshape(-1, CHANNELS, SIZE, SIZE), labels


class Cifar10(_Cifar):
    """10 classes of 6,000 images, 32×32."""

    archive = Archive(
        title="CIFAR-10",
        torchvision="CIFAR10",
        folder="cifar-10-batches-py",
        packed="cifar-10-python.tar.gz",
        files={
            "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
            "test": ("test_batch",),
        },
        meta="batches.meta",
        labels="labels",
        names="label_names",
    )


class Cifar100(_Cifar):
    """100 classes of 600 images, 32×32, in 20 superclasses of five (Section 5.1)."""

    archive = Archive(
        title="CIFAR-100",
        torchvision="CIFAR100",
        folder="cifar-100-python",
        packed="cifar-100-python.tar.gz",
        files={"train": ("train",), "test": ("test",)},
        meta="meta",
        labels="fine_labels",
        names="fine_label_names",
    )

    @cached_property
    def superclasses(self) -> Sequence[int] | None:  # type: ignore[override]
        """The published superclasses, to avoid reading image files; for other classes those in the
        training file, if any."""
        known = {
            name_key(name): label for label, names in enumerate(SUPERCLASSES) for name in names
        }
        keys = [name_key(name) for name in self.class_names]
        if known.keys() >= set(keys):
            return [known[key] for key in keys]
        return self._own_superclasses()

    def _own_superclasses(self) -> Sequence[int] | None:
        (train,) = self.archive.files["train"]
        content = self._content(train, self.archive.labels)
        if COARSE not in content:
            return None
        names = self.class_names
        fine = self._labels(train, content[self.archive.labels], len(names))
        coarse = self._labels(train, content[COARSE], len(self._names(COARSE_NAMES)))
        if len(fine) != len(coarse):
            problem = f"it has {len(fine)} fine and {len(coarse)} coarse labels"
            raise self._broken(self._folder / train, problem)
        pairs = set(zip(fine.tolist(), coarse.tolist()))
        supers = [
            [super_ for class_, super_ in pairs if class_ == label] for label in range(len(names))
        ]
        if unclear := [name for name, found in zip(names, supers) if len(found) != 1]:
            problem = f"its images have no unique superclass for {', '.join(unclear)}"
            raise self._broken(self._folder / train, problem)
        return [found[0] for found in supers]


def _torchvision(archive: Archive) -> Any:
    from torchvision import datasets

    return getattr(datasets, archive.torchvision)


def _published(archive: Archive, name: str) -> str:
    """The md5 that torchvision expects of a file."""
    known = _torchvision(archive)
    sums = {known.meta["filename"]: known.meta["md5"], **dict(known.train_list + known.test_list)}
    return str(sums[name])


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.md5(usedforsecurity=False)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
