"""Explains what was found instead of the expected data, and which command fixes it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from tina_datasets.files import Contents, contents
from tina_kit.api import abridged, content_kind, file_problem, list_images

_UNPACK = {
    ".tar.gz": "tar -xzf",
    ".tgz": "tar -xzf",
    ".tar.xz": "tar -xJf",
    ".txz": "tar -xJf",
    ".tar.bz2": "tar -xjf",
    ".tbz2": "tar -xjf",
    ".tar": "tar -xf",
    ".zip": "unzip",
}
_SPLITS = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "val": ("val", "valid", "validation", "dev"),
}
_SPLIT_OF = {spelling: split for split, spellings in _SPLITS.items() for spelling in spellings}


def of_root(root: Path) -> str:
    """Why a folder of classes that does not exist cannot be read."""
    if os.path.isfile(root):
        return packed(root, root.parent) or "this is a file; name the folder with the classes"
    near = _alike(root)
    if near is not None:
        return f"there is no such folder, but {near.name}/ exists; set `root: {near}`"
    if os.path.lexists(root):
        return f"no folder of images: {file_problem(root)}"
    return "there is no such folder of images"


def of_few_classes(root: Path, found: Contents, classes: Sequence[str]) -> str:
    """Why a folder contains fewer than two classes."""
    if not classes:
        for name in found.files:
            if problem := packed(root / name, root):
                return problem
        if list_images(root, deep=False).images:
            return (
                "contains images, but no class folders. If it is one of several classes, set "
                f"`root: {root.parent}`; otherwise sort the images into one folder per class"
            )
        return "contains no class folders"
    [name] = classes
    inner = root / name
    while len(below := contents(inner).folders) == 1:
        inner /= below[0]
    if len(below) > 1:
        lie = abridged(f"{each}/" for each in below)
        return (
            f"contains only one folder, {name}/, and {inner} contains {lie}. If these are the "
            f"classes, set `root: {inner}`"
        )
    return f"contains only 1 class folder, {name}/; at least 2 are needed"


def of_splits(root: Path, names: Sequence[str]) -> str | None:
    """What to do if all folders are named like splits, but not as expected; None otherwise."""
    meant = {name: _SPLIT_OF.get(name.casefold()) for name in names}
    if not names or None in meant.values():
        return None
    problem = f"contains {abridged(f'{name}/' for name in names)}, which look like splits, not "
    problem += "classes. "
    train = next((name for name in names if meant[name] == "train"), None)
    found = next(
        (name for split in ("test", "val") for name in names if meant[name] == split), None
    )
    if train is None or found is None:
        return (
            f"{problem}Either provide both train/ and test/ (or val/), or, to split one of them by "
            f"`test_fraction`, set `root: {root / (train or names[0])}`"
        )
    moves = [
        f"  mv {shlex.quote(str(root / name))} {shlex.quote(str(root / str(meant[name])))}"
        for name in (train, found)
        if name != meant[name]
    ]
    return f"{problem}Splits must be named train/ and test/ (or val/):\n" + "\n".join(moves)


def misplaced(root: Path, expected: str) -> str | None:
    """What is at or near `root` instead of `root/expected`, and how to fix it, or None."""
    if not os.path.isdir(root):
        return of_root(root) if os.path.isfile(root) or _alike(root) else None
    parts = Path(expected).parts
    return _too_deep(root, parts) or _too_high(root, parts) or _misspelled(root, parts)


def _too_deep(root: Path, parts: tuple[str, ...]) -> str | None:
    """Where `root` is the folder that is expected below it, or one on the way there."""
    for up in range(len(parts), 0, -1):
        inner = root.joinpath(*parts[up:])
        if not os.path.isdir(inner) or (up == len(parts) and root.name != parts[-1]):
            continue
        if root.parts[-up:] == parts[:up]:
            return f"{root} is too deep; set TINA_KIT_DATA (or `root`) to {root.parents[up - 1]}"
        place = Path("DIR", *parts[:up])
        make = f"mkdir -p {shlex.quote(str(place.parent))}"
        link = f"ln -s {shlex.quote(str(root.absolute()))} {shlex.quote(str(place))}"
        return (
            f"{inner} exists, but is expected as {'/'.join(parts)} in some folder DIR. Create it, "
            f"and set TINA_KIT_DATA (or `root`) to DIR:\n  {make} && {link}"
        )
    return None


def _too_high(root: Path, parts: tuple[str, ...]) -> str | None:
    for name in contents(root).folders:
        if name != parts[0] and os.path.isdir(root.joinpath(name, *parts)):
            return f"{root / name} contains it; set TINA_KIT_DATA (or `root`) to that folder"
    return None


def _misspelled(root: Path, parts: tuple[str, ...]) -> str | None:
    """Where a folder on the way is spelled in another way, doubled, or packed."""
    place = root
    for index, part in enumerate(parts):
        wanted = place / part
        if os.path.isdir(wanted / part):
            inner = shlex.quote(str(wanted / part))
            return (
                f"{wanted} contains another {part}/. Move its content up:\n  mv {inner}/* "
                + shlex.quote(str(wanted))
            )
        if not os.path.isdir(wanted):
            near = _alike(wanted)
            if near is not None:
                return (
                    f"{place} contains {near.name}/ instead of {part}/. Rename it:\n"
                    f"  mv {shlex.quote(str(near))} {shlex.quote(str(wanted))}"
                )
            return next(_archives(place, parts[: index + 1]), None)
        place = wanted
    return None


def _archives(place: Path, parts: Sequence[str]) -> Iterator[str]:
    """Archives in a folder that are called like one of the parts of a path."""
    meant = {_plain(part) for part in parts}
    for name in contents(place).files:
        suffix = _packed_suffix(name)
        if suffix and _plain(name[: -len(suffix)]) in meant:
            below = Path("DIR", *parts[:-1])
            if problem := packed(place / name, below):
                yield problem


def packed(archive: Path, target: Path) -> str | None:
    """What to do with an archive; None where the file is none. target: where it belongs."""
    suffix = _packed_suffix(archive.name)
    if suffix is None:
        return None
    file, place = shlex.quote(str(archive)), shlex.quote(str(target))
    command = f"{_UNPACK[suffix]} {file} {'-d' if suffix == '.zip' else '-C'} {place}"
    if len(target.parts) > 1 and target.parts[0] == "DIR":
        command = f"mkdir -p {place} && {command}"
    damage = _damage(archive)
    if damage is not None:
        return (
            f"{archive} is not an archive: {damage}. Remove it, download it again (with a browser "
            f"if you got a web page), and unpack it:\n  {command}"
        )
    return f"{archive} is still packed. Unpack it:\n  {command}"


def _damage(archive: Path) -> str | None:
    """What a file is that should be an archive; None where it may be one."""
    problem = file_problem(archive)
    if problem is not None:
        return problem
    try:
        with archive.open("rb") as file:
            kind = content_kind(file.read(1024))
    except OSError as error:
        return error.strerror
    return None if kind is None or kind.endswith(" archive") else kind


def _packed_suffix(name: str) -> str | None:
    return next((suffix for suffix in _UNPACK if name.lower().endswith(suffix)), None)


def _plain(name: str) -> str:
    """Without what differs between spellings: case, hyphens, underscores."""
    return "".join(char for char in name.casefold() if char.isalnum())


def _alike(path: Path) -> Path | None:
    """A folder beside `path` that is spelled nearly so."""
    if not os.path.isdir(path.parent):
        return None
    names = contents(path.parent).folders
    found = [name for name in names if _plain(name) == _plain(path.name) and name != path.name]
    return path.parent / found[0] if found else None
