"""Files that a user names: which may be opened, and what they contain."""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO

from tina_kit.api.messages import printable

_MAGIC = (
    (b"%PDF", "it is a PDF document"),
    (b"%!PS", "it is a PostScript document"),
    (b"PK\x03\x04", "it is a ZIP archive"),
    (b"\x1f\x8b", "it is a gzip archive"),
    (b"\xfd7zXZ\x00", "it is an xz archive"),
    (b"version https://git-lfs", "it is a Git LFS pointer: run `git lfs pull`"),
)
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script")
_DRAWINGS = (b"<svg", b"<!doctype svg")
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
NO_FILE, FOLDER = "there is no such file", "it is a folder"
_KINDS = (
    (stat.S_ISDIR, FOLDER),
    (stat.S_ISFIFO, "it is a named pipe, not a regular file"),
    (stat.S_ISSOCK, "it is a socket, not a regular file"),
    (stat.S_ISCHR, "it is a device, not a regular file"),
    (stat.S_ISBLK, "it is a device, not a regular file"),
)


class FileProblem(Exception):
    """Why a file is not read."""


def file_problem(path: str | os.PathLike[str]) -> str | None:
    """Why a path cannot be opened: it does not exist or is not a regular file. None if it can be.

    Nothing is opened to find out, since opening a pipe could block.
    """
    try:
        mode = os.stat(path).st_mode
    except ValueError:
        return "this is not a valid file name"
    except OSError as error:
        return _missing(path, error)
    return next((problem for is_kind, problem in _KINDS if is_kind(mode)), None)


def _missing(path: str | os.PathLike[str], error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "it is a circular link"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        if os.path.islink(path):
            return f"it is a broken link to {printable(os.readlink(path))}"
        return NO_FILE
    return error.strerror or str(error)


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading. Raises FileProblem if `path` is not a regular file."""
    problem = file_problem(path)
    if problem is not None:
        raise FileProblem(problem)
    # Non-blocking, in case a pipe has replaced the file in the meantime.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
    except OSError as error:
        raise FileProblem(error.strerror or str(error)) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise FileProblem("it is no longer a regular file")
    return os.fdopen(handle, "rb")


def content_kind(head: bytes) -> str | None:
    """What a file contains if it is none of the expected formats, judged by its first 512 bytes;
    None if it is not recognised."""
    if not head:
        return "it is empty"
    if not head.strip(b"\0"):
        return "it begins with zero bytes, as after an incomplete download"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF:
        return "it is a HEIF image, which Pillow cannot open; save it as JPEG or PNG"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_PAGES) or (text.startswith((b"<!--", b"<?xml")) and b"<html" in text):
        return "it is a web page"
    if text.startswith(_DRAWINGS) or (text.startswith((b"<!--", b"<?xml")) and b"<svg" in text):
        return "it is an SVG drawing; save it as PNG"
    return None
