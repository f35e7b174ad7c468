"""Lists the image files in a folder."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field

from tina_kit.api.errors import UserError
from tina_kit.api.files import file_problem
from tina_kit.api.images import image_suffixes
from tina_kit.api.messages import abridged

SERVICE_FOLDERS = frozenset(
    {
        "__macosx",  # macOS's archiver
        "@eadir",  # Synology: thumbnails
        "#recycle",
        "#snapshot",
        "@recycle",  # QNAP
        "@recently-snapshot",
        "$recycle.bin",  # Windows
        "recycler",
        "system volume information",
        "lost+found",
        "__pycache__",
    }
)
_LITTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini"})  # Windows; others are dotfiles


def is_service_folder(name: str) -> bool:
    """Whether folders of this name are hidden or created by an operating system or archiver."""
    return name[0] == "." or name.lower() in SERVICE_FOLDERS


@dataclass
class ImageListing:
    """The content of a folder: sorted names relative to it, with "/" as separator.

    images: files with an image suffix; irregular: those of them that cannot be opened, and why;
    passed_over: other files, and folders that were not searched (their names end in "/").
    """

    images: list[str] = field(default_factory=list)
    irregular: dict[str, str] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)

    @property
    def note(self) -> str:
        """A log line about the entries that were passed over; "" if there are none."""
        count = len(self.passed_over)
        entries = (
            "1 entry that is not an image"
            if count == 1
            else f"{count:,} entries that are not images"
        )
        return f"skipped {entries}: {abridged(self.passed_over)}" if count else ""


def list_images(
    folder: str | os.PathLike[str], deep: bool = True, exclude: Collection[str] = ()
) -> ImageListing:
    """The images in a folder and, with `deep`, in its subfolders. No file is opened.

    exclude: subfolders that are left out without counting as passed over. Hidden files that are not
    images and system files (`Thumbs.db`) are ignored. Raises UserError if `folder` itself cannot be
    listed.
    """
    suffixes, found = image_suffixes(), ImageListing()
    root = os.path.join(folder, "")
    waiting: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", ())]
    called_images: list[str] = []
    while waiting:
        below, above = waiting.pop()
        try:
            status = os.stat(root + below)
            here = (status.st_dev, status.st_ino)
            if here in above or _leads_up(root + below):
                found.passed_over.append(below)
                continue
            with os.scandir(root + below) as scanned:
                entries = list(scanned)
        except OSError as error:
            if not below:
                message = f"{folder}: cannot list this folder ({error.strerror})"
                raise UserError(message) from None
            found.passed_over.append(below)
            continue
        for entry in entries:
            name = below + entry.name
            if not _is_folder(entry):
                _sort_in(entry, name, suffixes, found)
            elif name in exclude:
                continue
            elif deep and not is_service_folder(entry.name):
                waiting.append((name + "/", (*above, here)))
                if _is_called_image(entry.name, suffixes):
                    called_images.append(name + "/")
            else:
                found.passed_over.append(name + "/")
    found.passed_over += [
        folder for folder in called_images if not any(x.startswith(folder) for x in found.images)
    ]
    found.images.sort()
    found.passed_over.sort()
    return found


def _leads_up(folder: str) -> bool:
    """Whether it is a link to one of its parent folders."""
    link = folder.rstrip("/" + os.sep)
    if not os.path.islink(link):
        return False
    target, place = os.path.realpath(link), os.path.realpath(os.path.dirname(link))
    return os.path.join(place, "").startswith(os.path.join(target, ""))


def _sort_in(
    entry: os.DirEntry[str], name: str, suffixes: Collection[str], found: ImageListing
) -> None:
    image = _is_called_image(entry.name, suffixes)
    if entry.name[0] == "." or entry.name.lower() in _LITTER:
        if image and not entry.name.startswith("._"):  # macOS metadata of another file
            found.passed_over.append(name)
    elif not image:
        found.passed_over.append(name)
    else:
        found.images.append(name)
        if (problem := _irregular(entry)) is not None:
            found.irregular[name] = problem


def _is_called_image(name: str, suffixes: Collection[str]) -> bool:
    return os.path.splitext(name)[1].lower() in suffixes


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circular link
        return False


def _irregular(entry: os.DirEntry[str]) -> str | None:
    try:
        if entry.is_file() and os.access(entry.path, os.R_OK):
            return None
    except OSError:
        pass
    return file_problem(entry.path) or "permission denied"
