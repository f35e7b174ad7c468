"""Images of one's own: one folder a class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from tina_datasets.files import (
    Labelled,
    class_folders,
    decode,
    image_files,
    listing_fingerprint,
    split_class,
)
from tina_datasets.options import ImageFolderOptions
from tina_kit.api import Dataset, Images, Split, UserError


class ImageFolder(Dataset):
    """`root/train/CLASS/*.jpg` and `root/test/CLASS/*.jpg` (or `val`); or `root/CLASS/*.jpg`,
    which is split here."""

    def __init__(self, options: ImageFolderOptions) -> None:
        self.options = options
        self.root = options.root

    @cached_property
    def _splits(self) -> tuple[Path, Path] | None:
        """The folders of the two splits, None where there is one folder for both."""
        if not self.root.is_dir():
            raise UserError(f"{self.root}: there is no such folder of images")
        test = next((self.root / n for n in ("test", "val") if (self.root / n).is_dir()), None)
        return (self.root / "train", test) if (self.root / "train").is_dir() and test else None

    @cached_property
    def _folders(self) -> list[str]:
        names = [
            folder.name for folder in class_folders(self._splits[0] if self._splits else self.root)
        ]
        if len(names) < 2:
            raise UserError(f"{self.root}: holds {len(names)} class folders, at least 2 are needed")
        if self._splits:
            tested = [folder.name for folder in class_folders(self._splits[1])]
            if tested != names:
                odd = ", ".join(sorted(set(tested) ^ set(names))[:5])
                raise UserError(f"{self.root}: the classes of the two splits differ: {odd}")
        return names

    @cached_property
    def class_names(self) -> Sequence[str]:
        """The folders' names as words, or what `names` calls them."""
        if self.options.names is None:
            return [folder.replace("_", " ") for folder in self._folders]
        named = {}
        for line in self.options.names.read_text(encoding="utf-8").splitlines():
            folder, _, words = line.partition("\t")
            named[folder] = words.split(",")[0].strip()
        missing = [folder for folder in self._folders if not named.get(folder)]
        if missing:
            raise UserError(f"{self.options.names}: no name for {', '.join(missing[:5])}")
        return [named[folder] for folder in self._folders]

    @cached_property
    def _files(self) -> dict[Split, list[Labelled]]:
        files: dict[Split, list[Labelled]] = {"train": [], "test": []}
        for label, name in enumerate(self._folders):
            if self._splits:
                train, test = (image_files(split / name) for split in self._splits)
            else:
                train, test = split_class(
                    image_files(self.root / name),
                    self.options.test_fraction,
                    self.options.split_seed,
                    name,
                )
            files["train"] += [(path, label) for path in train]
            files["test"] += [(path, label) for path in test]
        return files

    def fingerprint(self) -> str:
        names = "\n".join(self.class_names)
        files = self._files["train"] + self._files["test"]
        return listing_fingerprint(self.root, files) + names

    def load(self, split: Split) -> Images:
        return decode(self._files[split], self.options.size)
