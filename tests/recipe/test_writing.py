"""What is written reads back as the same, and as a person would have written it."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tina_kit.recipe.writing import written
from tina_kit.recipe.yaml12 import parse

TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=140
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(TEXT, VALUES, max_size=4), st.dictionaries(TEXT, TEXT, max_size=3))
def test_it_is_read_back_whatever_it_holds(recipe, comments) -> None:
    assert parse(written(recipe, comments), "r.yaml", Path()).plain() == recipe


def test_short_things_stay_on_a_line_and_comments_stand_above() -> None:
    recipe = {
        "name": "mine",
        "tasks": {"classes": 6, "id": 300},
        "generators": [{"use": "oracle"}, {"use": "tina-dit", "tokenizer": {"use": "x" * 78}}],
        "profiles": {"smoke": {"tasks.id": 12}, "laptop": {}},
    }
    comments = {"": "Mine.\n\n  kept   as it is", "profiles.smoke": "Everything, tiny."}
    assert (
        written(recipe, comments)
        == f"""\
# Mine.
#
#   kept   as it is
name: mine
tasks: {{classes: 6, id: 300}}
generators:
  - {{use: oracle}}
  - use: tina-dit
    tokenizer: {{use: {"x" * 78}}}

profiles:
  # Everything, tiny.
  smoke: {{tasks.id: 12}}
  laptop: {{}}
"""
    )


def test_a_long_comment_is_filled() -> None:
    lines = written({"name": "mine"}, {"name": "word " * 50}).splitlines()
    assert len(lines) == 4 and all(len(line) <= 100 for line in lines)
