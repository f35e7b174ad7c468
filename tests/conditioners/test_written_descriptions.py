"""The sentences that come with the package describe every class without naming it."""

from __future__ import annotations

import os
import re
import tarfile
from functools import cache
from pathlib import Path

import pytest
import tina_conditioners
import yaml

DATA = Path(os.environ.get("TINA_KIT_DATA") or "absent")
CALTECH = DATA / "caltech101" / "101_ObjectCategories"
MINI_IMAGENET = DATA / "mini_imagenet.tar.xz"
SIZES = {"cifar100": 100, "caltech101": 101, "mini-imagenet": 100}
FUNCTION_WORDS = {"a", "an", "and", "at", "by", "for", "in", "of", "on", "the", "to", "with"}

CIFAR100 = """
apple, aquarium fish, baby, bear, beaver, bed, bee, beetle, bicycle, bottle, bowl, boy, bridge,
bus, butterfly, camel, can, castle, caterpillar, cattle, chair, chimpanzee, clock, cloud,
cockroach, couch, crab, crocodile, cup, dinosaur, dolphin, elephant, flatfish, forest, fox, girl,
hamster, house, kangaroo, keyboard, lamp, lawn mower, leopard, lion, lizard, lobster, man,
maple tree, motorcycle, mountain, mouse, mushroom, oak tree, orange, orchid, otter, palm tree,
pear, pickup truck, pine tree, plain, plate, poppy, porcupine, possum, rabbit, raccoon, ray, road,
rocket, rose, sea, seal, shark, shrew, skunk, skyscraper, snail, snake, spider, squirrel,
streetcar, sunflower, sweet pepper, table, tank, telephone, television, tiger, tractor, train,
trout, tulip, turtle, wardrobe, whale, willow tree, wolf, woman, worm
"""


@cache
def descriptions(dataset: str) -> dict[str, str]:
    folder = Path(tina_conditioners.__file__).parent / "data"
    pairs: dict[str, str] = yaml.safe_load(
        (folder / f"descriptions_{dataset}.yaml").read_text(encoding="utf-8")
    )
    return pairs


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def stems(word: str) -> set[str]:
    """The word, and what it may be the plural of: "ponies" gives "pony" too."""
    found = {word}
    if len(word) > 4 and not word.endswith("ss"):
        found |= {word.removesuffix(end) for end in ("ies", "es", "s")}
    if word.endswith("ies"):
        found.add(word[:-3] + "y")
    if word.endswith("y"):
        found.add(word[:-1] + "ies")
    return found


def given_away(name: str, sentence: str) -> set[str]:
    """The words of `sentence` that hold a word of `name`, or are a part of one.

    A stem of three letters counts only at an end of a word: "ant" is in "ants", not in "wanted".
    """
    found = set()
    for stem in {s for word in set(words(name)) - FUNCTION_WORDS for s in stems(word)}:
        for said in set(words(sentence)) - FUNCTION_WORDS:
            at_an_end = said.startswith(stem) or said.endswith(stem)
            part = any(len(s) > 3 and s in stem for s in stems(said))
            if at_an_end or part or (len(stem) > 3 and stem in said):
                found.add(said)
    return found


@pytest.mark.parametrize(
    ("name", "sentence", "found"),
    [
        ("sea horse", "It rides sea-horses by the seaside.", {"sea", "horses", "seaside"}),
        ("seahorse", "A horse of water.", {"horse"}),
        ("poppy", "Two poppies.", {"poppies"}),
        ("faces easy", "Surfaces and a face.", {"surfaces", "face"}),
        ("ant", "The giant wanted an Ant.", {"giant", "ant"}),
        ("bass", "A fish of the lake.", set()),
    ],
)
def test_a_sentence_that_names_its_class_is_found(
    name: str, sentence: str, found: set[str]
) -> None:
    assert given_away(name, sentence) == found


@pytest.mark.parametrize("dataset", SIZES)
def test_no_sentence_names_its_class(dataset: str) -> None:
    found = {name: given_away(name, text) for name, text in descriptions(dataset).items()}
    assert {name: said for name, said in found.items() if said} == {}


@pytest.mark.parametrize("dataset", SIZES)
def test_every_class_has_one_sentence_of_its_own(dataset: str) -> None:
    pairs = descriptions(dataset)
    assert len(pairs) == len(set(pairs.values())) == SIZES[dataset]
    lengths = {name: len(text.split()) for name, text in pairs.items()}
    assert {name: n for name, n in lengths.items() if not 12 <= n <= 30} == {}
    assert [t for t in pairs.values() if not re.fullmatch(r"[A-Z][^.!?:;]*\.", t)] == []


@pytest.mark.parametrize("dataset", SIZES)
def test_every_reader_of_yaml_finds_the_same(dataset: str) -> None:
    folder = Path(tina_conditioners.__file__).parent / "data"
    lines = (folder / f"descriptions_{dataset}.yaml").read_text(encoding="ascii").splitlines()
    assert [line for line in lines if not re.fullmatch(r'"[a-z -]+": "[^"\\]+"', line)] == []
    assert len(lines) == SIZES[dataset]  # a name given twice would be lost without a word


def test_cifar_100_is_described() -> None:
    assert list(descriptions("cifar100")) == CIFAR100.replace("\n", " ").strip().split(", ")


@pytest.mark.skipif(not CALTECH.is_dir(), reason="TINA_KIT_DATA names no folder with Caltech-101")
def test_caltech_101_is_described() -> None:
    from tina_datasets.caltech import Caltech101
    from tina_datasets.options import Caltech101Options

    dataset = Caltech101(Caltech101Options(root=DATA))
    assert set(descriptions("caltech101")) == set(dataset.class_names)


@pytest.mark.skipif(
    not MINI_IMAGENET.is_file(), reason="TINA_KIT_DATA names no folder with mini_imagenet.tar.xz"
)
def test_mini_imagenet_is_described() -> None:
    assert list(descriptions("mini-imagenet")) == mini_imagenet_names()


def mini_imagenet_names() -> list[str]:
    """The first name of each line of the archive's classes.tsv, which lies at its start."""
    with tarfile.open(MINI_IMAGENET, "r|xz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None and member.name == "mini_imagenet/classes.tsv":
                lines = file.read().decode("utf-8").splitlines()
                return [line.split("\t")[1].split(",")[0].strip().lower() for line in lines]
    raise AssertionError(f"{MINI_IMAGENET} holds no mini_imagenet/classes.tsv")
