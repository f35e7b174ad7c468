"""Caltech-101, as torchvision lays it out."""

from __future__ import annotations

import os
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
from tina_datasets.options import Caltech101Options
from tina_kit.api import Dataset, Images, Split, UserError

BACKGROUND = "BACKGROUND_Google"  # Caltech's distractors are no class


class Caltech101(Dataset):
    """101 categories of 31 to 800 images each."""

    def __init__(self, options: Caltech101Options) -> None:
        self.options = options

    @cached_property
    def _root(self) -> Path:
        named = self.options.root or os.environ.get("TINA_KIT_DATA")
        root = Path(named or ".") / "caltech101" / "101_ObjectCategories"
        if named and root.is_dir():
            return root
        place = str(root) if named else "TINA_KIT_DATA is not set and `root` is not given"
        raise UserError(
            f"Caltech-101 is missing ({place}). Set TINA_KIT_DATA to the folder that holds "
            "caltech101/101_ObjectCategories; torchvision downloads it with\n"
            "  python -c \"import torchvision; torchvision.datasets.Caltech101('FOLDER', "
            'download=True)"'
        )

    @cached_property
    def _folders(self) -> list[Path]:
        return [folder for folder in class_folders(self._root) if folder.name != BACKGROUND]

    @cached_property
    def class_names(self) -> Sequence[str]:
        """The categories as words: `cougar_body` is "cougar body"."""
        return [folder.name.replace("_", " ").lower() for folder in self._folders]

    @cached_property
    def _files(self) -> dict[Split, list[Labelled]]:
        files: dict[Split, list[Labelled]] = {"train": [], "test": []}
        for label, folder in enumerate(self._folders):
            train, test = split_class(
                image_files(folder),
                self.options.test_fraction,
                self.options.split_seed,
                folder.name,
            )
            files["train"] += [(path, label) for path in train]
            files["test"] += [(path, label) for path in test]
        return files

    def fingerprint(self) -> str:
        return listing_fingerprint(self._root, self._files["train"] + self._files["test"])

    def load(self, split: Split) -> Images:
        return decode(self._files[split], self.options.size)
