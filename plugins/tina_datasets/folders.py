"""A folder for each class: which images belong to which split."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path

from tina_datasets import advice
from tina_datasets.files import (
    ImageFile,
    contents,
    exclude_them,
    split_classes,
    warn_once,
)
from tina_kit.api import ImageListing, Split, UserError, abridged, list_images, printable

LISTED = 20  # classes that a message lists


class FolderLayout:
    """One folder per class: `train/CLASS/` and `test/CLASS/` (or `val`); or `CLASS/`, split at
    random.

    Images in subfolders of a class folder belong to the class. exclude: folders to leave out, CLASS
    or `CLASS/FOLDER`; never: folders that are not classes of this data set.
    """

    def __init__(
        self,
        root: Path,
        test_fraction: float,
        split_seed: int,
        exclude: Sequence[str] = (),
        never: Sequence[str] = (),
    ) -> None:
        self.root = root
        self.test_fraction, self.split_seed = test_fraction, split_seed
        self.exclude = [name.strip("/") for name in exclude]
        self.never = never
        self.irregular: dict[str, str] = {}

    @cached_property
    def _places(self) -> tuple[Path, ...]:
        """The folders of the two splits, or one folder for both."""
        if not os.path.isdir(self.root):
            raise UserError(f"{self.root}: {advice.of_root(self.root)}")
        places = split_folders(self.root) or (self.root,)
        for name in self.exclude:
            inside = name and not {"", ".", ".."} & set(name.split("/"))
            if not inside or not any(os.path.isdir(place / name) for place in places):
                found = abridged(contents(places[0]).folders, LISTED)
                raise UserError(f"exclude: {places[0]} has no folder {name!r}; it contains {found}")
        self._warn_of_beside(places)
        return places

    @property
    def is_split(self) -> bool:
        return len(self._places) == 2

    @cached_property
    def classes(self) -> list[str]:
        names = [self._classes(place) for place in self._places]
        if len(names) == 2 and names[0] != names[1]:
            odd = sorted(set(names[0]) ^ set(names[1]))
            lacking = [
                f"{place.name}/ lacks {abridged(lost, LISTED)}"
                for place, there in zip(self._places, names)
                if (lost := [name for name in odd if name not in there])
            ]
            raise UserError(
                f"{self.root}: the classes of the two splits differ: {abridged(odd, LISTED)} "
                f"({'; '.join(lacking)}). Add the folders, or leave these classes out: "
                f"{exclude_them(odd)}"
            )
        return names[0]

    def _classes(self, place: Path) -> list[str]:
        found = contents(place)
        if found.broken:
            lost = abridged(found.broken)
            warn_once(f"{place}: skipped {len(found.broken)} broken or circular links: {lost}")
        names = [name for name in found.folders if name not in (*self.exclude, *self.never)]
        if place == self.root and (problem := advice.of_splits(place, names)):
            raise UserError(f"{place}: {problem}")
        if len(names) < 2:
            raise UserError(f"{place}: {advice.of_few_classes(place, found, names)}")
        service = [name for name in found.service if name not in self.exclude]
        if service:
            remedy = f"Delete it, or set {exclude_them(service)}"
            warn_once(
                f"{place}: skipped {abridged(service)} (a system folder, not a class). {remedy}"
            )
        return names

    @cached_property
    def files(self) -> dict[Split, list[ImageFile]]:
        listings = [[self._listed(place, name) for name in self.classes] for place in self._places]
        for place, listing in zip(self._places, listings):
            self._warn_of_passed_over(place, listing)
        self._check(listings)
        for place, listing in zip(self._places, listings):
            self._check_copies(place, listing)
            self._warn_of_nested(place, listing)
        images = [
            {
                name: self._regular(place / name, found, label)
                for label, (name, found) in enumerate(zip(self.classes, listing))
            }
            for place, listing in zip(self._places, listings)
        ]
        if len(images) == 2:
            train, test = (list(chain(*each.values())) for each in images)
            return {"train": train, "test": test}
        return split_classes(
            self.root, images[0], self.test_fraction, self.split_seed, len(self.irregular)
        )

    def _listed(self, place: Path, name: str) -> ImageListing:
        below = [each[len(name) + 1 :] for each in self.exclude if each.startswith(f"{name}/")]
        return list_images(place / name, exclude=below)

    def _regular(self, folder: Path, listing: ImageListing, label: int) -> list[ImageFile]:
        start = os.path.join(folder, "")
        self.irregular |= {start + name: why for name, why in listing.irregular.items()}
        names = [name for name in listing.images if name not in listing.irregular]
        return [ImageFile(start + name, label) for name in names]

    def _warn_of_beside(self, places: Sequence[Path]) -> None:
        """Warn about anything next to the split folders, and images next to class folders."""
        odd = {place: list_images(place, deep=False).images for place in places}
        if len(places) == 2:
            found = contents(self.root)
            others = [f"{name}/" for name in (*found.folders, *found.service)]
            splits = [f"{place.name}/" for place in places]
            odd[self.root] = list_images(self.root, deep=False).images
            odd[self.root] += [name for name in others if name not in splits]
        for place, names in odd.items():
            if names:
                beside = "the class folders" if place in places else " and ".join(splits)
                warn_once(f"{place}: skipped entries next to {beside}: {abridged(names)}")

    def _warn_of_passed_over(self, place: Path, listings: Sequence[ImageListing]) -> None:
        """Warn about skipped entries, in one line per class."""
        odd = [(name, each) for name, each in zip(self.classes, listings) if each.note]
        for name, each in odd[:LISTED]:
            warn_once(f"{printable(str(place / name))}: {each.note}")
        if more := odd[LISTED:]:
            count = sum(len(each.passed_over) for _, each in more)
            warn_once(f"{place}: skipped {count:,} such entries of {len(more):,} more classes")

    def _warn_of_nested(self, place: Path, listings: Sequence[ImageListing]) -> None:
        """Warn if `root` may be one folder too high."""
        images = [image for listing in listings for image in listing.images]
        if all("/" in image for image in images):
            outer, inner = self.classes, sorted({image.split("/")[0] for image in images})
            warn_once(
                f"{place}: {abridged(outer)} contain images only in subfolders "
                f"({abridged(inner)}). If those are the classes, set `root` to their parent folder"
            )

    def _check_copies(self, place: Path, listings: Sequence[ImageListing]) -> None:
        """Raise UserError for a class folder that contains folders of all other classes."""
        for name, listing in zip(self.classes, listings):
            inner = {image.split("/")[0] if "/" in image else "" for image in listing.images}
            others = set(self.classes) - {name}
            if len(others) > 1 and others <= inner and "" not in inner:
                raise UserError(
                    f"{place / name} contains folders named like all other classes, "
                    f"{abridged(sorted(others))}. Leave it out with {exclude_them([name])}, or set "
                    f"`root: {place / name}`"
                )

    def _check(self, listings: Sequence[Sequence[ImageListing]]) -> None:
        """Raise UserError naming all classes without images."""
        empty: dict[str, list[str]] = {}
        for place, in_place in zip(self._places, listings):
            for name, listing in zip(self.classes, in_place):
                if not listing.images:
                    what = f"contains no images, only {abridged(listing.passed_over)}"
                    what = what if listing.passed_over else "is empty"
                    empty.setdefault(name, []).append(f"{printable(str(place / name))} {what}")
        if empty:
            problem = abridged([each for lines in empty.values() for each in lines], LISTED)
            raise UserError(
                f"{problem}. Every class needs images in both splits: add some, or leave out: "
                f"{exclude_them([*empty])}"
            )


def split_folders(root: Path) -> tuple[Path, Path] | None:
    """`root/train` and `root/test` or `root/val`, where both exist."""
    test = next((root / name for name in ("test", "val") if os.path.isdir(root / name)), None)
    return (root / "train", test) if test and os.path.isdir(root / "train") else None
