"""Caltech-101, as torchvision lays it out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property

from tina_datasets.advice import misplaced
from tina_datasets.files import data_root, missing
from tina_datasets.folders import FolderLayout
from tina_datasets.layouts import ImageFilesDataset, folder_names
from tina_datasets.options import Caltech101Options

FOLDER = "caltech101/101_ObjectCategories"
BACKGROUND = "BACKGROUND_Google"  # Caltech's distractors are no class
HOLDS = (
    f"{FOLDER}; torchvision, with gdown (pip install gdown), downloads it:\n"
    "  python -c \"import torchvision; torchvision.datasets.Caltech101('FOLDER', download=True)\""
)


class Caltech101(ImageFilesDataset):
    """101 categories of 31 to 800 images each."""

    options: Caltech101Options

    @cached_property
    def layout(self) -> FolderLayout:
        options = self.options
        given = data_root(options.root, "Caltech-101", HOLDS)
        root = given / FOLDER
        if not os.path.isdir(root):
            raise missing("Caltech-101", root, HOLDS, misplaced(given, FOLDER))
        split = options.test_fraction, options.split_seed
        return FolderLayout(root, *split, options.exclude, never=(BACKGROUND,))

    @cached_property
    def class_names(self) -> Sequence[str]:
        """The categories as words: `cougar_body` is "cougar body"."""
        return [name.lower() for name in folder_names(self.layout)]
