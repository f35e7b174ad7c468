"""Sentences in place of names, read from YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tina_conditioners.descriptions import Descriptions
from tina_conditioners.ngrams import HashedNgrams
from tina_conditioners.options import DescriptionsOptions, HashedNgramsOptions
from torch import Tensor

from tina_kit.api import Images, UserError
from tina_kit.store import content_of

TEXT = HashedNgrams(HashedNgramsOptions(width=16))
YAML = """\
apple: A round fruit.
"no": A word, short, and
  on two lines.
1: The first.
Yes: Of course.
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "descriptions.yaml"
    path.write_text(YAML, encoding="utf-8")
    return path


def made(file: Path) -> Descriptions:
    return Descriptions(DescriptionsOptions(file=file), text=TEXT)


def test_a_class_is_embedded_by_its_sentence(file: Path) -> None:
    conditioner = made(file)
    assert conditioner.width == 16 and conditioner.modalities == ("text",)
    rows = conditioner.embed(["Apple", "<->", "apple"])
    assert torch.equal(rows, TEXT.embed(["A round fruit.", "<->", "A round fruit."]))


@pytest.mark.parametrize("name", ["café au lait", "Cafe\u0301_au  lait"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_class_is_found_in_another_spelling(tmp_path: Path, name: str, mark: str) -> None:
    path = tmp_path / "words.yaml"
    path.write_text(f"{mark}café_au lait: A drink.\r\nfig: A fruit.\r\n", encoding="utf-8")
    assert torch.equal(made(path).embed([name]), TEXT.embed(["A drink."]))


def test_a_file_in_utf_16_is_told(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text("fig: A fruit.\n", encoding="utf-16")
    with pytest.raises(UserError, match=r"words\.yaml: not UTF-8 text \(it is UTF-16\)"):
        made(path).embed(["fig"])


def test_every_name_and_sentence_is_a_text(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text("no: yes\n1: 2.50\non: off\nnull: ~\n", encoding="utf-8")
    rows = made(path).embed(["no", "1", "on", "null"])
    assert torch.equal(rows, TEXT.embed(["yes", "2.50", "off", "~"]))


def test_gibberish_is_the_nested_conditioners(file: Path) -> None:
    assert torch.equal(made(file).gibberish(3, seed=5), TEXT.gibberish(3, seed=5))


def test_all_missing_classes_are_told_at_once(file: Path) -> None:
    with pytest.raises(UserError) as told:
        made(file).embed(["appel", "apple", "<->", "pear", "fig", "kiwi", "yew"])
    assert "no description of 5 of 6 classes: appel (did you mean 'apple'?)" in str(told.value)
    assert str(told.value).endswith("kiwi, yew. Add a line `name: sentence` for each")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: x\nA: y\n", "line 2: this class is already described in line 1"),
        ("sea horse: x\n\nSea_Horse: y\n", "line 3: this class is already described in line 1"),
        ("'': x\n", "line 1: this class has an empty name"),
        ("- a\n- b\n", "it is not a mapping"),
        ("", "it is not a mapping"),
        ("a: x\nb: [x]\n", "line 2: expected a class name and one sentence"),
        ("a: ''\n", "line 1: this class has no sentence"),
        ("a: 'x\n", r"not a YAML file of `class name: sentence` \(line 2: invalid YAML\)"),
        ("a: x\nb: \x07\n", "not a YAML file of `class name: sentence`"),
        (f"a: {'[' * 5000}", "nested too deeply"),
    ],
)
def test_a_file_of_something_else_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        made(path).embed(["a"])


@pytest.mark.parametrize(
    "text",
    [
        "root:$6$S3CRET$x:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n",
        "a: *S3CRET\n",
        "S3CRET: x\nS3CRET: y\n",
        "a: x\n  S3CRET: 'x\n",
        "- S3CRET\n",
    ],
)
def test_a_message_does_not_quote_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "shadow"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as told:
        made(path).embed(["a"])
    assert str(path) in str(told.value) and "S3CRET" not in str(told.value)


@pytest.mark.parametrize("path", [Path("/dev/zero"), Path("/")])
def test_only_a_regular_file_is_read(path: Path) -> None:
    with pytest.raises(UserError, match=r"it is a (device|folder)"):
        made(path).embed(["a"])


def test_a_file_is_known_by_its_content(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.yaml"
    copy.write_text(YAML, encoding="utf-8")
    before = content_of(made(file).files())
    assert content_of(made(copy).files()) == before
    copy.write_text(YAML + "pear: Green.\n", encoding="utf-8")
    assert content_of(made(copy).files()) != before


def test_sets_come_with_the_kit_and_an_unknown_one_is_told() -> None:
    conditioner = Descriptions(DescriptionsOptions(set="cifar100"), text=TEXT)
    assert conditioner.embed(["apple"]).shape == (1, 16)
    conditioner = Descriptions(DescriptionsOptions(set="cifar10"), text=TEXT)
    with pytest.raises(
        UserError, match=r"unknown set 'cifar10'; available: caltech101, cifar100, mini-"
    ):
        conditioner.files()


@pytest.mark.parametrize("both", [{}, {"file": Path("a.yaml"), "set": "cifar100"}])
def test_exactly_one_source_is_given(both: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="give either file or set"):
        DescriptionsOptions(**both)  # type: ignore[arg-type]


class _Learner(HashedNgrams):
    learns = True

    def fit(self, images: Images, class_names: object, train: object) -> None:
        self.names = class_names
        self.trained_on = self.device

    def load(self, folder: Path) -> None:
        self.folder = folder


def test_a_nested_conditioner_learns_the_sentences(file: Path, tmp_path: Path) -> None:
    text = _Learner(HashedNgramsOptions())
    conditioner = Descriptions(DescriptionsOptions(file=file), text=text)
    assert conditioner.learns
    conditioner.device = torch.device("cpu")
    nothing: Tensor = torch.zeros(0)
    conditioner.fit(Images(nothing, nothing), ["apple"], lambda *_: None)
    assert text.names == ["A round fruit."] and text.trained_on == torch.device("cpu")
    conditioner.load(tmp_path)
    assert text.folder == tmp_path
