"""mini-ImageNet: 100 classes of ImageNet, in either of its two usual layouts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from tina_datasets.advice import misplaced
from tina_datasets.files import data_root, missing
from tina_datasets.folders import FolderLayout, split_folders
from tina_datasets.layouts import TABLES, ImageFilesDataset, Layout, TableLayout, names_of
from tina_datasets.options import MiniImageNetOptions
from tina_kit.api import UserError

FOLDER = "mini_imagenet"
NAMES = "classes.tsv"
HOLDS = (
    f"{FOLDER}/, with train/WNID/ and val/WNID/, or with images/ beside {', '.join(TABLES)}; "
    f"and with {NAMES} (wnid, tab, names)"
)


class MiniImageNet(ImageFilesDataset):
    """Classes are WordNet ids (wnids), in their order; `val` of a folder for each is the test
    split, and one folder with tables is split within each class."""

    options: MiniImageNetOptions

    @cached_property
    def layout(self) -> Layout:
        options, root = self.options, self._root
        given = (options.test_fraction, options.split_seed, options.exclude)
        return TableLayout(root, *given) if _tabled(root) else FolderLayout(root, *given)

    @cached_property
    def _root(self) -> Path:
        given = data_root(self.options.root, "mini-ImageNet", HOLDS)
        root = given / FOLDER
        if not os.path.isdir(root) and os.path.isdir(given):
            root = given if _tabled(given) or split_folders(given) else root
        if os.path.isdir(root):
            return root
        raise missing("mini-ImageNet", root, HOLDS, misplaced(given, FOLDER))

    @property
    def wnids(self) -> Sequence[str]:
        """The WordNet id of each class, in label order."""
        return self.layout.classes

    @cached_property
    def class_names(self) -> Sequence[str]:
        """The first name of each wnid, by `names` or else by classes.tsv."""
        table = self.options.names or self._root / NAMES
        if not table.is_file():
            raise UserError(
                f"{table}: missing, so no name for {', '.join(self.wnids)}. Set `names` to a table "
                "of wnid, tab, name"
            )
        return names_of(self.wnids, table)


def _tabled(root: Path) -> bool:
    return (root / "images").is_dir() and any((root / table).is_file() for table in TABLES)
