"""Class names: which are the same, how they are spelled as prompts, and what a collision says."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tina_kit.api import Classes, UserError, as_words, name_index, name_key

SAME = [
    ("red circle", "Red Circle"),
    ("red circle", "red_circle"),
    ("red circle", "red  circle"),
    ("red circle", "  red __circle_\n"),
    ("red circle", "red\u00a0circle"),  # no-break space
    ("red circle", "red\u3000circle"),  # ideographic space
    ("red circle", "red\u2800circle"),  # braille blank
    ("red circle", "\ufeffred circle"),  # byte order mark
    ("red circle", "red\u200b circle\u200e"),  # zero-width space, direction mark
    ("red circle", "re\u00add circle"),  # soft hyphen
    ("café", "cafe\u0301"),
    ("café", "CAFÉ"),
    ("café", "cafe\u200b\u0301"),
    ("Straße", "STRASSE"),
    ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ("fish", "ﬁsh"),
    ("cat", "ｃａｔ"),
    ("red_circle", "red＿circle"),
    ("가", "\u1100\u1161"),
    ("می\u200cخواهم", "میخواهم"),
    ("❤", "❤\ufe0f"),
]
DIFFERENT = [
    ("red circle", "redcircle"),
    ("red circle", "red-circle"),
    ("cafe", "café"),
    ("1", "01"),
    ("pear", "pears"),
    ("salt, pepper", "salt pepper"),
    ("हिन्दी", "हिन्दा"),
    ("👍", "👍🏽"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_names_that_read_the_same_are_the_same(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)
    with pytest.raises(UserError, match="are the same class name"):
        name_index(["apple", one, other])


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_names_are_not(one: str, other: str) -> None:
    assert name_index([one, other]) == {name_key(one): 0, name_key(other): 1}


def test_every_kind_of_white_space_is_one_space() -> None:
    spaces = [chr(code) for code in range(0x110000) if chr(code).isspace()]
    assert {name_key(f"red{space}{space}circle") for space in spaces} == {"red circle"}


@pytest.mark.slow
@given(st.text())
def test_a_key_is_its_own_key_in_every_unicode_form(name: str) -> None:
    key = name_key(name)
    assert name_key(key) == key
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert name_key(unicodedata.normalize(form, name)) == key
    assert name_key(as_words(name)) == key


def test_a_collision_says_where_both_names_come_from() -> None:
    places = ["folder a", "names.tsv:3", "folder c", "names.tsv:7", "folder e"]
    with pytest.raises(UserError) as told:
        name_index(["Fig", "pear", "fig", "Pear", "plum"], places)
    assert "'Fig' (folder a) and 'fig' (folder c) are the same class name" in str(told.value)
    assert "'pear' (names.tsv:3) and 'Pear' (names.tsv:7) are the same" in str(told.value)
    assert "plum" not in str(told.value)


def test_names_that_look_the_same_are_told_by_their_characters() -> None:
    with pytest.raises(UserError, match=r"'caf\\xe9' \(name 1\) and 'cafe\\u0301' \(name 2\)"):
        name_index(["café", "cafe\u0301"])


def test_of_many_problems_a_few_are_told() -> None:
    with pytest.raises(UserError, match="; and 95 more"):
        name_index([*map(str, range(100)), *map(str, range(100))])


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "'' (here) is an empty name"),
        (" _\t", "is an empty name"),
        ("\u200b\u2060", r"'\u200b\u2060' (here) is an empty name"),
        ("\u3164", "is an empty name"),
        ("\x07\x1b", r"'\x07\x1b' (here) contains control characters"),
        ("a\rb", r"'a\rb' (here) contains control characters"),
        ("a\x1b[31mb", r"'a\x1b[31mb' (here) contains control characters"),
        ("caf\udce9", r"'caf\udce9' (here) is not UTF-8"),
        (7, "7 (here) is not text but int"),
        (None, "None (here) is not text but NoneType"),
    ],
)
def test_a_name_that_says_nothing_is_refused(name: str, problem: str) -> None:
    with pytest.raises(UserError) as told:
        name_index(["apple", name], ["there", "here"])
    assert problem in str(told.value) and str(told.value).isprintable()


def test_words_are_the_prompt_of_a_folder() -> None:
    assert as_words("sea_horse") == "sea horse"
    assert as_words("_Sea__horse ") == "Sea horse"
    assert as_words("cafe\u0301\ufeff") == "café"
    assert as_words("می\u200cخ") == "می\u200cخ"  # a joiner belongs to the spelling


def test_classes_are_checked_wherever_they_come_from() -> None:
    with pytest.raises(UserError, match=r"'red_circle' \(label 0\) and 'Red circle' \(label 2\)"):
        Classes(["red_circle", "pear", "Red circle"])
    with pytest.raises(UserError, match="2 superclasses for 3 classes"):
        Classes(["a", "b", "c"], [0, 1])


def test_names_need_no_torch() -> None:
    names = "from tina_kit.api import as_words, name_index, name_key, read_text"
    code = f"import sys; {names}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
