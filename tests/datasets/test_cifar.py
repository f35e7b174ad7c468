"""CIFAR is read from torchvision's own format, whoever wrote it, and nothing in it is run."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tina_datasets.archive import BrokenArchive, read_archive
from tina_datasets.cifar import SUPERCLASSES, Cifar10, Cifar100
from tina_datasets.options import CifarOptions

from tina_kit.api import UserError
from tina_kit.store import content_of

FINE = [b"apple", b"aquarium_fish", b"baby", b"bear"]
COARSE_LABELS = """
 4  1 14  8  0  6  7  7 18  3  3 14  9 18  7 11  3  9  7 11  6 11  5 10  7  6 13 15  3 15  0 11  1
10 12 14 16  9 11  5  5 19  8  8 15 13 14 17 18 10 16  4 17  4  2  0 17  4 18 17 10  3  2 12 12 16
12  1  9 19  2 10  0  1 16 12  9 13 15 13 16 19  2  4  6 19  5  5  8 19 18  1  2 15  6  0 17  8 14
13"""  # of the published archive, by fine label; its fine names are in alphabetical order


class Python2Pickler(pickle._Pickler):
    """Writes text as Python 2 did, which is how the published archives are written."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_string(self, text: str | bytes) -> None:
        raw = text.encode("latin1") if isinstance(text, str) else text
        self.write(b"T" + struct.pack("<i", len(raw)) + raw)
        self.memoize(text)

    dispatch[bytes] = dispatch[str] = save_string


def python_2(content: object) -> bytes:
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(content)
    return file.getvalue().replace(b"numpy._core.", b"numpy.core.")


WRITERS: dict[str, Callable[[object], bytes]] = {
    "python 2": python_2,
    "protocol 2": lambda content: pickle.dumps(content, protocol=2),
    "protocol 4": lambda content: pickle.dumps(content, protocol=4),
    "protocol 5": lambda content: pickle.dumps(content, protocol=5),
}


def batch(count: int, seed: int, **labels: list[int]) -> dict[bytes, Any]:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)
    return {b"data": pixels, **{key.encode(): value for key, value in labels.items()}}


def fine_batch(fine: list[int], seed: int) -> dict[bytes, Any]:
    return batch(len(fine), seed, fine_labels=fine)


def write_cifar100(root: Path, write: Callable[[object], bytes] = python_2) -> Path:
    folder = root / "cifar-100-python"
    folder.mkdir()
    (folder / "train").write_bytes(write(fine_batch([3, 2, 1, 0, 0, 1], 1)))
    (folder / "test").write_bytes(write(fine_batch([0, 1, 2, 3], 2)))
    (folder / "meta").write_bytes(write({b"fine_label_names": FINE}))
    return folder


def cifar100(root: Path, **options: Any) -> Cifar100:
    return Cifar100(CifarOptions(root=root, **options))


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_cifar100_is_read_as_it_was_written(tmp_path: Path, write) -> None:
    write_cifar100(tmp_path, write)
    dataset = cifar100(tmp_path)
    assert dataset.class_names == ["apple", "aquarium fish", "baby", "bear"]
    train = dataset.load("train")
    assert train.labels.tolist() == [3, 2, 1, 0, 0, 1] and train.labels.dtype == torch.int64
    # As published: a row is all of red, then green, then blue, each line by line.
    expected = fine_batch([3, 2, 1, 0, 0, 1], 1)[b"data"].reshape(-1, 3, 32, 32)
    assert train.images.dtype == torch.uint8
    assert np.array_equal(train.images.numpy(), expected)
    assert dataset.load("test").labels.tolist() == [0, 1, 2, 3]


def test_an_array_in_fortran_order_is_read_right(tmp_path: Path) -> None:
    folder = write_cifar100(tmp_path)
    content = fine_batch([0, 1], 5)
    ordered = {**content, b"data": np.asfortranarray(content[b"data"])}
    (folder / "test").write_bytes(python_2(ordered))
    images = cifar100(tmp_path).load("test").images
    assert np.array_equal(images.numpy().reshape(2, -1), content[b"data"])


def test_cifar10_joins_its_five_batches_and_has_no_superclasses(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for number in range(1, 6):
        content = batch(2, number, labels=[number % 2, 1])
        (folder / f"data_batch_{number}").write_bytes(python_2(content))
    (folder / "test_batch").write_bytes(python_2(batch(1, 9, labels=[0])))
    (folder / "batches.meta").write_bytes(python_2({b"label_names": [b"airplane", b"cat"]}))
    dataset = Cifar10(CifarOptions(root=tmp_path))
    assert dataset.class_names == ["airplane", "cat"] and dataset.superclasses is None
    assert dataset.load("train").labels.tolist() == [1, 1, 0, 1, 1, 1, 0, 1, 1, 1]
    assert dataset.load("test").images.shape == (1, 3, 32, 32)


def test_images_are_resized_on_request(tmp_path: Path) -> None:
    folder = write_cifar100(tmp_path)
    grey = {**fine_batch([0, 1], 0), b"data": np.full((2, 3072), 77, np.uint8)}
    (folder / "test").write_bytes(python_2(grey))
    images = cifar100(tmp_path, size=48).load("test").images
    assert images.shape == (2, 3, 48, 48) and images.dtype == torch.uint8
    assert images.unique().tolist() == [77]


def test_the_first_images_of_each_class_are_read_on_request(tmp_path: Path) -> None:
    write_cifar100(tmp_path)
    every, few = cifar100(tmp_path), cifar100(tmp_path, images_per_class=1)
    loaded = few.load("train")
    assert loaded.labels.tolist() == [3, 2, 1, 0]  # of 3, 2, 1, 0, 0, 1
    assert torch.equal(loaded.images, every.load("train").images[:4])
    assert few.load("test").labels.tolist() == [0, 1, 2, 3]
    prints = {cifar100(tmp_path, images_per_class=n).fingerprint() for n in (None, 1, 2)}
    assert len(prints) == 3


def test_the_superclasses_are_those_of_the_published_archive(tmp_path: Path) -> None:
    folder = write_cifar100(tmp_path)
    names = sorted(name for row in SUPERCLASSES for name in row)
    content = {b"fine_label_names": [name.replace(" ", "_").encode() for name in names]}
    (folder / "meta").write_bytes(python_2(content))
    assert cifar100(tmp_path).superclasses == [int(word) for word in COARSE_LABELS.split()]


def test_superclasses_are_known_without_reading_images(tmp_path: Path) -> None:
    folder = write_cifar100(tmp_path)
    for name in ("train", "test"):
        (folder / name).write_bytes(b"no pickle")
    assert cifar100(tmp_path).superclasses == [4, 1, 14, 8]


def test_superclasses_are_known_however_the_classes_are_spelled(tmp_path: Path) -> None:
    folder = write_cifar100(tmp_path)
    (folder / "train").write_bytes(b"no pickle")
    names = [b"Apple", b"Aquarium Fish", b"baby", b"bear"]
    (folder / "meta").write_bytes(python_2({b"fine_label_names": names}))
    assert cifar100(tmp_path).superclasses == [4, 1, 14, 8]


def test_two_classes_of_one_name_are_told_with_their_places(tmp_path: Path) -> None:
    folder = write_cifar100(tmp_path)
    names = [b"apple", b"oak_tree", b"Oak tree", b"bear"]
    (folder / "meta").write_bytes(python_2({b"fine_label_names": names}))
    with pytest.raises(UserError, match=r"meta: .*'oak tree' \(entry 1 of fine_label_names\) and"):
        cifar100(tmp_path).class_names  # noqa: B018


def write_sky(root: Path, coarse: list[int] | None) -> None:
    """An archive of other classes, with coarse labels or without."""
    folder = write_cifar100(root)
    names = {b"fine_label_names": [b"apple", b"comet", b"planet"]}
    names[b"coarse_label_names"] = [b"fruit", b"sky"]
    (folder / "meta").write_bytes(python_2(names))
    labels = {} if coarse is None else {"coarse_labels": coarse}
    (folder / "train").write_bytes(python_2(batch(4, 0, fine_labels=[1, 0, 1, 2], **labels)))


@pytest.mark.parametrize(("coarse", "found"), [([1, 0, 1, 1], [0, 1, 1]), (None, None)])
def test_other_classes_have_the_superclasses_that_the_archive_tells(
    tmp_path: Path, coarse: list[int] | None, found: list[int] | None
) -> None:
    write_sky(tmp_path, coarse)
    assert cifar100(tmp_path).superclasses == found


@pytest.mark.parametrize(
    ("coarse", "problem"),
    [
        ([1, 0, 0, 1], "no unique superclass for comet"),
        ([1, 0, 1], "4 fine and 3 coarse labels"),
        ([1, 0, 1, 2], "from 0 to 2, but there are 2 names"),
    ],
)
def test_superclasses_that_are_none_are_told(
    tmp_path: Path, coarse: list[int], problem: str
) -> None:
    write_sky(tmp_path, coarse)
    with pytest.raises(UserError, match=problem):
        cifar100(tmp_path).superclasses  # noqa: B018


def test_missing_data_is_told_with_the_remedy(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("TINA_KIT_DATA", raising=False)
    with pytest.raises(UserError, match=r"TINA_KIT_DATA is not set.*cifar-100-python/.*download"):
        Cifar100(CifarOptions()).class_names  # noqa: B018
    monkeypatch.setenv("TINA_KIT_DATA", str(tmp_path))
    with pytest.raises(UserError, match=r"cifar-100-python: no train, test, meta.*download: true"):
        Cifar100(CifarOptions()).files()


def test_a_packed_archive_is_told_how_to_unpack(tmp_path: Path) -> None:
    (tmp_path / "cifar-100-python.tar.gz").touch()
    with pytest.raises(UserError, match=r"tar -xzf .*cifar-100-python\.tar\.gz -C"):
        cifar100(tmp_path).files()


def test_what_is_missing_is_downloaded_only_on_request(tmp_path: Path, monkeypatch) -> None:
    from torchvision.datasets import CIFAR100, utils

    asked = []

    def download(url: str, root: Path, md5: str) -> None:
        asked.append((url, md5))
        write_cifar100(root)

    monkeypatch.setattr(utils, "download_and_extract_archive", download)
    with pytest.raises(UserError, match="is missing"):
        cifar100(tmp_path / "new").files()
    assert cifar100(tmp_path / "new", download=True).class_names[0] == "apple"
    assert cifar100(tmp_path / "new", download=True).class_names[0] == "apple"
    assert asked == [(CIFAR100.url, CIFAR100.tgz_md5)]


def test_a_download_that_fails_is_told(tmp_path: Path, monkeypatch) -> None:
    from torchvision.datasets import utils

    def download(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(utils, "download_and_extract_archive", download)
    with pytest.raises(UserError, match=r"CIFAR-100 cannot be downloaded .*no route to host"):
        cifar100(tmp_path, download=True).files()


def test_a_truncated_file_is_named_with_what_it_should_be(tmp_path: Path) -> None:
    train = write_cifar100(tmp_path) / "train"
    train.write_bytes(train.read_bytes()[:-4000])
    found = hashlib.md5(train.read_bytes()).hexdigest()
    published = "16019d7e3df5f24257cddd939b257f8d"
    with pytest.raises(UserError, match=rf"python/train: not a valid .*{found}.*{published}"):
        cifar100(tmp_path).load("train")


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from(sorted(WRITERS)))
def test_an_archive_cut_anywhere_is_refused(tmp_path_factory, data, writer: str) -> None:
    path = tmp_path_factory.mktemp("cut") / "test"
    whole = WRITERS[writer](fine_batch([0], 0))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(BrokenArchive):
        read_archive(path)


class Touch:
    """Unpickled, it would make a file."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_code_in_an_archive_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "it ran"
    for attack in (
        Touch(os.mkdir, str(mark)),
        Touch(eval, f"open({str(mark)!r}, 'w')"),
        Touch(np.save, str(mark), np.zeros(1)),
        Touch(open, str(mark), "w"),
    ):
        path = tmp_path / "train"
        path.write_bytes(pickle.dumps({b"data": attack}, protocol=protocol))
        with pytest.raises(BrokenArchive, match=r"refers to .*; no code in it was run"):
            read_archive(path)
    assert list(tmp_path.iterdir()) == [path]


def test_an_attack_reaches_the_user_as_one_message(tmp_path: Path) -> None:
    folder = write_cifar100(tmp_path)
    (folder / "meta").write_bytes(pickle.dumps(Touch(os.mkdir, str(tmp_path / "it ran"))))
    with pytest.raises(UserError, match=r"meta: not a valid file .* refers to \w+\.mkdir"):
        cifar100(tmp_path).class_names  # noqa: B018
    assert not (tmp_path / "it ran").exists()


def test_a_stand_in_cannot_be_changed_for_the_next_reader(tmp_path: Path) -> None:
    path = tmp_path / "train"
    # The global numpy.dtype, then BUILD with a state for its attributes.
    path.write_bytes(b"\x80\x02cnumpy\ndtype\nN}X\x09\x00\x00\x00_functionK\x01s\x86b.")
    with pytest.raises(BrokenArchive):
        read_archive(path)
    path.write_bytes(python_2(fine_batch([0], 0)))
    assert read_archive(path)["data"].shape == (1, 3072)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({b"data": np.zeros((2, 3071), np.uint8)}, r"its images are uint8 \(2, 3071\)"),
        ({b"data": np.zeros((2, 3072), np.int64)}, "its images are int64"),
        ({b"data": np.zeros((2, 3072))}, "not of integers"),
        ({b"data": np.array([{}, None])}, "not of integers"),
        ({b"data": b"\0" * 6144}, "its images are none"),
        ({b"fine_labels": [0, 4]}, "its labels range from 0 to 4, but there are 4 names"),
        ({b"fine_labels": [0, "1"]}, "not a list of integers"),
        ({b"fine_labels": [0, [1]]}, "not a list of integers"),
        ({b"fine_labels": [0, 1, 2]}, "its images are"),
    ],
)
def test_content_of_another_form_is_told(tmp_path: Path, change, reason: str) -> None:
    folder = write_cifar100(tmp_path)
    (folder / "test").write_bytes(python_2({**fine_batch([0, 1], 0), **change}))
    with pytest.raises(UserError, match=rf"test: not a valid file of CIFAR-100: .*{reason}"):
        cifar100(tmp_path).load("test")


@pytest.mark.parametrize("content", [[1, 2], {b"labels": [0]}, {b"fine_label_names": 3}])
def test_names_of_another_form_are_told(tmp_path: Path, content: object) -> None:
    folder = write_cifar100(tmp_path)
    (folder / "meta").write_bytes(python_2(content))
    with pytest.raises(UserError, match="meta: not a valid file of CIFAR-100"):
        cifar100(tmp_path).class_names  # noqa: B018


def test_verify_refuses_all_but_the_published_files(tmp_path: Path) -> None:
    write_cifar100(tmp_path)
    with pytest.raises(UserError, match=r"meta: not a valid file.*: its checksum differs"):
        cifar100(tmp_path, verify=True).class_names  # noqa: B018


def test_the_fingerprint_follows_the_content_and_reads_no_pickle(tmp_path: Path) -> None:
    folder = write_cifar100(tmp_path)
    before = content_of(cifar100(tmp_path).files())
    assert content_of(cifar100(tmp_path).files()) == before
    raw = bytearray((folder / "train").read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / "train").write_bytes(raw)
    changed = content_of(cifar100(tmp_path).files())
    assert changed != before
    (folder / "test").write_bytes(b"no pickle")
    assert content_of(cifar100(tmp_path).files()) not in (before, changed)
