"""Your own images, in one folder per class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from tina_datasets.folders import FolderLayout
from tina_datasets.layouts import ImageFilesDataset, folder_names, names_of
from tina_datasets.options import ImageFolderOptions


class ImageFolder(ImageFilesDataset):
    """`root/train/CLASS/*.jpg` and `root/test/CLASS/*.jpg` (or `val`); or `root/CLASS/*.jpg`, split
    at random."""

    options: ImageFolderOptions

    @cached_property
    def layout(self) -> FolderLayout:
        options = self.options
        return FolderLayout(
            options.root, options.test_fraction, options.split_seed, options.exclude
        )

    @cached_property
    def class_names(self) -> Sequence[str]:
        """The folder names as words, or the names in `names`."""
        if self.options.names is None:
            return folder_names(self.layout)
        return names_of(self.layout.classes, self.options.names)
