"""Whatever Pillow opens becomes upright 8-bit RGB, by one rule for each mode, or is refused."""

from __future__ import annotations

import os
import socket
import struct
import threading
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tina_kit.api import UserError, read_images
from tina_kit.api.images import image_suffixes

DEEP = np.array([[0, 1, 128, 129, 256, 257, 4095, 32767, 32768, 65534, 65535]])
OF_257 = [0, 0, 0, 1, 1, 1, 16, 127, 128, 255, 255]
WHITE = [255, 255, 255]


def pixels(source: object) -> np.ndarray:
    """`(H, W, 3)`, in the image's own size."""
    image = source if isinstance(source, Image.Image) else Image.open(source)  # type: ignore[arg-type]
    width, height = image.size
    [read] = read_images([source], (height, width))  # type: ignore[list-item]
    return read.transpose(1, 2, 0)


def greys(source: object) -> list[int]:
    """The first line of an image that has no colours."""
    read = pixels(source)
    assert (read == read[..., :1]).all()
    return read[0, :, 0].tolist()


def chunk(kind: bytes, content: bytes) -> bytes:
    whole = kind + content
    return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))


def png(path: Path, bits: int, colour: int, line: bytes, width: int, *more: bytes) -> Path:
    """One line of samples as they stand in the file. more: chunks before the samples."""
    header = struct.pack(">IIBBBBB", width, 1, bits, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + b"".join(more) + chunk(b"IDAT", zlib.compress(b"\0" + line))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b""))
    return path


# 16 bits and more.


def test_16_bit_grey_is_divided_by_257(tmp_path: Path) -> None:
    image = Image.fromarray(DEEP.astype(np.uint16))
    for name in ("a.png", "a.tif"):
        image.save(tmp_path / name)
        assert greys(tmp_path / name) == OF_257
    assert greys(image) == OF_257
    (tmp_path / "a.pgm").write_bytes(b"P5 11 1 65535\n" + DEEP.astype(">u2").tobytes())
    assert greys(tmp_path / "a.pgm") == OF_257


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L", "I;16N"])
def test_16_bit_grey_of_any_byte_order_is_the_same(mode: str) -> None:
    order = {"I;16B": ">u2", "I;16N": "=u2"}.get(mode, "<u2")
    assert greys(Image.frombytes(mode, (11, 1), DEEP.astype(order).tobytes())) == OF_257


def test_16_bit_tiffs_of_both_byte_orders_are_the_same(tmp_path: Path) -> None:
    for mode, order in (("I;16", "<u2"), ("I;16B", ">u2")):
        Image.frombytes(mode, (11, 1), DEEP.astype(order).tobytes()).save(tmp_path / "a.tif")
        assert greys(tmp_path / "a.tif") == OF_257


def test_a_16_bit_png_opened_as_32_bit_is_the_same(tmp_path: Path) -> None:
    """As Pillow opened it before version 11.3."""
    dark = Image.fromarray(np.array([[0, 200, 255]], np.int32))
    dark.format = "PNG"  # type: ignore[misc]
    assert greys(dark) == [0, 1, 1]


def test_12_bit_grey_is_divided_by_its_maximum(tmp_path: Path) -> None:
    values = [0, 4095, 2048, 16]
    packed = b"".join(((a << 12) | b).to_bytes(3, "big") for a, b in zip(values[::2], values[1::2]))
    (tmp_path / "a.tif").write_bytes(tiff(4, 12, packed))
    assert greys(tmp_path / "a.tif") == [0, 255, 128, 1]


def test_grey_whose_white_is_zero_is_turned_over(tmp_path: Path) -> None:
    for bits, kind in ((8, "u1"), (16, "<u2")):
        samples = np.array([0, 2**bits - 1], kind).tobytes()
        (tmp_path / "a.tif").write_bytes(tiff(2, bits, samples, photometric=0))
        assert greys(tmp_path / "a.tif") == [255, 0]


def tiff(width: int, bits: int, samples: bytes, photometric: int = 1) -> bytes:
    tags = [(256, 4, width), (257, 4, 1), (258, 3, bits), (259, 3, 1), (262, 3, photometric)]
    tags += [(273, 4, 8)]
    tags += [(277, 3, 1), (278, 4, 1), (279, 4, len(samples))]
    start = 8 + len(samples)
    entries = b"".join(
        struct.pack("<HHI", tag, kind, 1)
        + (struct.pack("<HH", value, 0) if kind == 3 else struct.pack("<I", value))
        for tag, kind, value in tags
    )
    count = struct.pack("<H", len(tags))
    return b"II*\0" + struct.pack("<I", start) + samples + count + entries + b"\0\0\0\0"


def test_16_bit_colours_and_alpha_lose_their_lower_half(tmp_path: Path) -> None:
    colours = struct.pack(">6H", 0xFF00, 0x8000, 0x0100, 0, 0xFFFF, 0x00FF)
    assert pixels(png(tmp_path / "a.png", 16, 2, colours, 2)).tolist() == [
        [[255, 128, 1], [0, 255, 0]]
    ]
    grey_alpha = struct.pack(">4H", 0x4000, 0xFFFF, 0x4000, 0)
    assert greys(png(tmp_path / "b.png", 16, 4, grey_alpha, 2)) == [64, 255]


@pytest.mark.parametrize(
    ("values", "read"),
    [
        ([0, 100, 255], [0, 100, 255]),
        ([0, 257, 65535], [0, 1, 255]),
    ],
)
def test_32_bit_integers_are_read_by_their_range(tmp_path: Path, values, read) -> None:
    Image.fromarray(np.array([values], np.int32)).save(tmp_path / "a.tif")
    assert greys(tmp_path / "a.tif") == read


@pytest.mark.parametrize(
    ("values", "read"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 0.6, 254.6], [0, 1, 255]),
    ],
)
def test_floats_are_read_by_their_range(tmp_path: Path, values, read) -> None:
    Image.fromarray(np.array([values], np.float32)).save(tmp_path / "a.tif")
    assert greys(tmp_path / "a.tif") == read


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            np.array([[-1, 200]], np.int32),
            r"range from -1 to 200; supported: 0 to 255 or 0 to 65535",
        ),
        (np.array([[0, 70000]], np.int32), r"range from 0 to 70000; .* Save it with 8 bits"),
        (
            np.array([[-0.1, 1]], np.float32),
            r"range from -0\.1 to 1; supported: 0 to 1 or 0 to 255",
        ),
        (np.array([[0, 300]], np.float32), r"range from 0 to 300"),
        (np.array([[0, np.nan]], np.float32), "contains NaN or infinite values"),
        (np.array([[0, np.inf]], np.float32), "contains NaN or infinite values"),
    ],
)
def test_values_of_an_unknown_range_are_refused(tmp_path: Path, values, told: str) -> None:
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=rf"a\.tif: this image cannot be read \(.*{told}"):
        pixels(tmp_path / "a.tif")


# What is transparent.

HIDDEN = (200, 10, 30)  # shall not show


@pytest.mark.parametrize("mode", ["RGBA", "RGBa", "LA", "La", "PA"])
def test_alpha_is_composited_on_white(mode: str) -> None:
    image = Image.new("RGBA", (3, 1), (*HIDDEN, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    image.putpixel((2, 0), (0, 0, 0, 128))
    if mode == "La":
        image = image.convert("LA")
    if mode == "PA":
        image = Image.merge("PA", (Image.new("P", (3, 1), 0), image.getchannel("A")))
        image.putpalette([0, 0, 0])
        assert image.mode == "PA"
    assert greys(image if mode == "PA" else image.convert(mode)) == [255, 0, 127]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".avif"])
def test_files_with_alpha_are_composited_on_white(tmp_path: Path, suffix: str) -> None:
    if suffix not in image_suffixes():
        pytest.skip(f"this Pillow reads no {suffix}")
    image = Image.new("RGBA", (16, 8), (*HIDDEN, 0))
    image.paste((0, 0, 0, 255), (8, 0, 16, 8))
    image.save(tmp_path / f"a{suffix}", **({} if suffix in (".png", ".tif") else {"quality": 100}))
    read = pixels(tmp_path / f"a{suffix}").astype(int)
    assert read[:, :7].min() > 250 and read[:, 9:].max() < 5


def test_opaque_alpha_changes_nothing() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (9, 9, 4), dtype=np.uint8)
    colours[..., 3] = 255
    assert np.array_equal(pixels(Image.fromarray(colours)), colours[..., :3])


@pytest.mark.parametrize("way", ["one", "bytes", "gif"])
def test_transparent_palette_entries_are_white(tmp_path: Path, way: str) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([*HIDDEN, 0, 0, 0, 40, 50, 60])
    image.putdata([0, 1, 2])
    name = "a.gif" if way == "gif" else "a.png"
    image.save(tmp_path / name, transparency=b"\0\xff\x80" if way == "bytes" else 0)
    last = [147, 152, 157] if way == "bytes" else [40, 50, 60]
    assert pixels(tmp_path / name).tolist() == [[WHITE, [0, 0, 0], last]]


def test_a_transparent_colour_is_white(tmp_path: Path) -> None:
    image = Image.new("RGB", (2, 1), HIDDEN)
    image.putpixel((1, 0), (200, 10, 31))
    image.save(tmp_path / "a.png", transparency=HIDDEN)
    assert pixels(tmp_path / "a.png").tolist() == [[WHITE, [200, 10, 31]]]
    Image.fromarray(np.array([[7, 8]], np.uint8)).save(tmp_path / "l.png", transparency=7)
    assert greys(tmp_path / "l.png") == [255, 8]


def key(*values: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))


def test_a_transparent_grey_of_any_depth_is_white(tmp_path: Path) -> None:
    for bits, line, expected in ((1, 0b01000000, [255, 255]), (2, 0b01100000, [255, 170])):
        got = greys(png(tmp_path / "a.png", bits, 0, bytes([line]), 2, key(bits - 1)))
        assert got == expected, bits
    four = png(tmp_path / "b.png", 4, 0, bytes([0x3A]), 2, key(3))
    assert greys(four) == [255, 170]
    deep = png(tmp_path / "c.png", 16, 0, struct.pack(">2H", 300, 301), 2, key(300))
    assert greys(deep) == [255, 1]
    colours = struct.pack(">6H", 0x1234, 0, 0, 0x8000, 0, 0)
    rgb = png(tmp_path / "d.png", 16, 2, colours, 2, key(0x1234, 0, 0))
    assert pixels(rgb).tolist() == [[WHITE, [128, 0, 0]]]


# Other modes.


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, WHITE),
        ("L", 77, [77, 77, 77]),
        ("RGB", (1, 2, 3), [1, 2, 3]),
        ("RGBX", (1, 2, 3, 0), [1, 2, 3]),
        ("CMYK", (255, 0, 0, 0), [0, 255, 255]),
        ("CMYK", (0, 0, 0, 255), [0, 0, 0]),
        ("YCbCr", (255, 128, 128), WHITE),
        ("LAB", (0, 128, 128), [0, 0, 0]),
        ("HSV", (0, 255, 255), [255, 0, 0]),
    ],
)
def test_every_other_mode_is_converted(mode: str, colour: object, expected: list[int]) -> None:
    bands = colour if isinstance(colour, tuple) else (colour,)
    image = Image.new(mode, (2, 2), colour)  # type: ignore[arg-type]
    if mode == "LAB":  # of which `new` takes other numbers
        image = Image.merge("LAB", [Image.new("L", (2, 2), band) for band in bands])
    assert np.abs(pixels(image)[0, 0].astype(int) - expected).max() <= (mode == "LAB")


def test_a_cmyk_jpeg_shows_its_colours(tmp_path: Path) -> None:
    """Adobe's programs, and Pillow, write such files inverted."""
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    assert np.abs(pixels(tmp_path / "a.jpg")[8, 8].astype(int) - [255, 0, 0]).max() <= 3


def test_ordinary_images_are_read_byte_for_byte(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "a.png")
    Image.fromarray(colours).convert("P").save(tmp_path / "p.png")
    Image.fromarray(colours).save(tmp_path / "a.jpg")
    assert np.array_equal(pixels(tmp_path / "a.png"), colours)
    for name in ("p.png", "a.jpg"):
        with Image.open(tmp_path / name) as image:
            assert np.array_equal(pixels(tmp_path / name), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("suffix", [".gif", ".png", ".tif", ".webp", ".mpo", ".avif"])
def test_the_first_of_several_frames_is_read(tmp_path: Path, suffix: str) -> None:
    if suffix not in image_suffixes():
        pytest.skip(f"this Pillow reads no {suffix}")
    first, second = (Image.new("RGB", (16, 16), colour) for colour in ("red", "blue"))
    kind = {".mpo": "MPO"}.get(suffix)
    first.save(tmp_path / f"a{suffix}", kind, save_all=True, append_images=[second])
    red, _, blue = pixels(tmp_path / f"a{suffix}")[8, 8].tolist()
    assert red > 245 and blue < 10


# As photographs lie.


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [
        *((".png", mode) for mode in ("L", "RGB", "P", "I;16", "LA")),
        *((".jpg", mode) for mode in ("L", "RGB", "CMYK")),
        *((".tif", mode) for mode in ("L", "RGB", "P", "I;16", "LA", "CMYK")),
    ],
)
def test_images_are_turned_upright_in_every_mode(tmp_path: Path, mode: str, suffix: str) -> None:
    image = Image.new("L", (16, 8))
    image.paste(255, (0, 0, 8, 8))  # white on the left
    image = (
        Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
        if mode == "I;16"
        else image.convert(mode)
    )
    exif = Image.Exif()
    exif[0x0112] = 6  # is shown turned clockwise
    image.save(tmp_path / f"a{suffix}", exif=exif)
    [read] = read_images([tmp_path / f"a{suffix}"], (16, 8))
    assert read[:, :7].min() > 240 and read[:, 9:].max() < 15


def test_damaged_metadata_spoils_no_image(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert pixels(tmp_path / "a.jpg")[0, 0, 0] > 250


def test_the_middle_is_cut_out_and_resized() -> None:
    image = Image.new("RGB", (30, 10), "white")
    image.paste("black", (8, 0, 22, 10))
    [read] = read_images([image], (5, 5))
    assert read.shape == (3, 5, 5) and read.dtype == np.uint8 and not read.any()
    [tall] = read_images([image], (4, 2))
    assert tall.shape == (3, 4, 2) and not tall.any()


def test_an_image_of_many_pixels_is_read_without_a_warning(monkeypatch, tmp_path, recwarn) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.new("L", (10, 15), 9).save(tmp_path / "a.png")
    assert (read_images([tmp_path / "a.png"], (2, 2)) == 9).all() and not recwarn.list
    Image.new("L", (10, 25)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png: .*250 pixels"):
        read_images([tmp_path / "a.png"], (2, 2))


# Which files are read.


def test_suffixes_are_those_that_pillow_opens() -> None:
    common = ".jpg .jpeg .jfif .jpe .png .apng .tif .tiff .gif .bmp .webp .ppm .pgm .jp2 .tga .ico"
    assert set(common.split()) <= image_suffixes()
    others = ".eps .ps .pdf .wmf .emf .mpg .h5 .hdf .grib .bufr .iim .txt .svg .heic"
    assert not set(others.split()) & image_suffixes()


def test_postscript_is_not_run(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with pytest.raises(UserError, match="it is a PostScript document"):
        read_images([tmp_path / "a.png"], (4, 4))


def test_open_files_are_read(tmp_path: Path) -> None:
    file = BytesIO()
    Image.new("RGB", (4, 4), (1, 2, 3)).save(file, "PNG")
    assert read_images([file], (1, 1)).ravel().tolist() == [1, 2, 3]


def test_one_pillow_image_may_be_given_twice(tmp_path: Path) -> None:
    Image.new("RGB", (300, 300), (1, 2, 3)).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        read = read_images([image] * 20, (1, 1))
    assert (read.reshape(20, 3) == [1, 2, 3]).all()


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))  # such names must be short


IRREGULAR: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda path: None, "there is no such file"),
    "a folder": (lambda path: path.mkdir(), "it is a folder"),
    "a pipe": (os.mkfifo, "it is a named pipe, not a regular file"),
    "a socket": (bind, "it is a socket, not a regular file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "it is a device, not a regular file"),
    "a dangling link": (lambda path: path.symlink_to("gone.png"), "a broken link to gone.png"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "a circular link"),
    "an empty file": (lambda path: path.touch(), "it is empty"),
    "a web page": (lambda path: path.write_text("\n<!DOCTYPE html><html>"), "it is a web page"),
    "zeros": (lambda path: path.write_bytes(bytes(99)), "begins with zero bytes"),
    "a pointer": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
        "it is a Git LFS pointer: run `git lfs pull`",
    ),
    "a HEIF image": (lambda path: path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(9)), "a HEIF im"),
    "an SVG drawing": (lambda path: path.write_text("<?xml?><svg>"), "an SVG drawing; save it as"),
    "words": (lambda path: path.write_text("no image"), "it is not in a supported image"),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files on this system")
@pytest.mark.parametrize("what", IRREGULAR)
@pytest.mark.timeout(20)
def test_what_is_no_image_is_named_at_once(what: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    make, told = IRREGULAR[what]
    make(tmp_path / "x.png")
    with pytest.raises(UserError) as caught:
        read_images([tmp_path / "x.png"], (4, 4))
    assert str(caught.value).startswith(f"{tmp_path / 'x.png'}: this image cannot be read (")
    assert told in str(caught.value)


def test_a_link_to_an_image_is_read(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("a.png")
    assert read_images([tmp_path / "b.png"], (1, 1)).ravel().tolist() == [1, 2, 3]


def test_all_that_cannot_be_read_is_listed_in_one_message(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "good.png")
    broken = [tmp_path / f"{index:02}.png" for index in range(23)]
    for path in broken:
        path.write_bytes((tmp_path / "good.png").read_bytes()[:40])
    with pytest.raises(UserError) as caught:
        read_images([tmp_path / "good.png", *broken], (4, 4))
    head, *lines, last = str(caught.value).splitlines()
    assert head == "23 images cannot be read. Replace or remove them:"
    assert [line.split(":")[0].strip() for line in lines] == [str(path) for path in broken[:20]]
    assert last.strip() == "and 3 more"


def test_those_that_cannot_be_read_can_be_left_to_the_caller(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "a.png")
    found: dict[int, str] = {}
    read = read_images([tmp_path / "none.png", tmp_path / "a.png"], (1, 1), found)
    assert read.reshape(2, 3).tolist() == [[0, 0, 0], [1, 2, 3]]
    assert found == {0: "there is no such file"}


def test_files_damaged_anywhere_are_read_or_named(tmp_path: Path) -> None:
    """Whatever Pillow raises for them."""
    random = np.random.default_rng(0)
    whole = Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    for suffix in (".png", ".jpg", ".gif", ".tif", ".bmp", ".webp", ".ppm", ".tga", ".ico", ".jp2"):
        path = tmp_path / f"a{suffix}"
        whole.save(path)
        content = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(25):
            broken = content[: random.integers(1, len(content) + 1)].copy()
            places = random.integers(0, min(64, len(broken)), 3)
            broken[places] = random.integers(0, 256, 3)
            path.write_bytes(broken.tobytes())
            found: dict[int, str] = {}
            assert read_images([path], (4, 4), found).shape == (1, 3, 4, 4)
            assert all(told and "\n" not in told for told in found.values())


def test_reading_leaves_no_thread_behind(tmp_path: Path) -> None:
    before = threading.active_count()
    read_images([Image.new("L", (4, 4))] * 9, (2, 2))
    assert threading.active_count() == before
