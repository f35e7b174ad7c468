"""The suite of studies lets a right one pass and catches wrong ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from tina_kit.api import Study, Trial, UserError
from tina_kit.testing import StudySuite

NUMBERS = count()


class Depths(Study):
    """Every generator at two depths."""

    title, x_label, versus = "Depths", "blocks", "generic"
    published = {("tina-dit", "1"): 60.1}  # noqa: RUF012

    def trials(self, generators: Sequence[str]) -> Sequence[Trial]:
        return [
            Trial(name, depth, name, {f"generators.{name}.depth": depth})
            for name in generators
            for depth in (1, 2)
        ]


def changed(**fields: Any) -> type[Study]:
    class Changed(Depths):
        def trials(self, generators: Sequence[str]) -> Sequence[Trial]:
            return [replace(trial, **fields) for trial in super().trials(generators)]

    return Changed


def told(**attributes: Any) -> type[Study]:
    return type("Told", (Depths,), attributes)


class Nothing(Depths):
    def trials(self, generators: Sequence[str]) -> Sequence[Trial]:
        return []


class Broken(Depths):
    def trials(self, generators: Sequence[str]) -> Sequence[Trial]:
        if "generic" not in generators:
            raise KeyError("generic")
        return super().trials(generators)


class Curt(Depths):
    def trials(self, generators: Sequence[str]) -> Sequence[Trial]:
        if "generic" not in generators:
            raise UserError("no generic")
        return super().trials(generators)


class Whimsical(Depths):
    def trials(self, generators: Sequence[str]) -> Sequence[Trial]:
        made = super().trials(generators)
        return [replace(trial, series=str(next(NUMBERS))) for trial in made]


class Emptying(Depths):
    def trials(self, generators: Any) -> Sequence[Trial]:
        made = super().trials(list(generators))
        generators.clear()
        return made


OTHERS = "test_generators_of_another_recipe_are_measured_or_told"
CASES = [
    ("test_trials_are_measurements", Nothing, r"gives \[\]; it must give one Trial"),
    (
        "test_trials_measure_generators_of_the_recipe",
        changed(generator="taper"),
        "measures 'taper', which is not a row of the recipe",
    ),
    (OTHERS, changed(generator="generic"), "measures 'generic', which the recipe does not hold"),
    (OTHERS, Broken, "raises KeyError .*must raise UserError"),
    (OTHERS, Curt, "must say what, where and what to do"),
    ("test_each_place_in_the_table_is_measured_once", changed(x=1), "two trials stand at"),
    ("test_fields_of_trials_are_known", changed(measure="speed"), "a field that the contract"),
    ("test_fields_of_trials_are_known", changed(samples=0), "a field that the contract"),
    ("test_fields_of_trials_are_known", changed(shots=-1), "a field that the contract"),
    (
        "test_overrides_are_keys_of_a_recipe",
        changed(overrides={"generic.epochs": {1}}),
        "is not JSON serializable.* part of cache keys",
    ),
    (
        "test_overrides_are_keys_of_a_recipe",
        changed(overrides={"generic..epochs": 1}),
        "'generic..epochs' is not a dotted key",
    ),
    ("test_words_around_the_table_are_texts", told(note=None), "note is None; it must be a text"),
    ("test_versus_is_a_series", told(versus="taper"), "versus is 'taper'; it must be None or a"),
    (
        "test_published_values_are_percent_by_place",
        told(published={"tina-dit": 0.6}),
        r"must be \(series, x\) and percent",
    ),
    ("test_asking_again_gives_the_same_trials", Whimsical, "an equal study gives other trials"),
    ("test_the_recipes_rows_stay_as_they_are", Emptying, r"leaves the list of generators as \[\]"),
]

PLUGIN = """
from tina_kit.api import Component, Options, Study, Trial, hookimpl

class NoOptions(Options):
    pass

class Mine(Study):
    def __init__(self, options):
        pass

    def trials(self, generators):
        return [Trial("a", 1, name, conditioner="sentences") for name in generators[:1]]

@hookimpl
def tina_kit_components():
    return [Component(kind="study", name="mine", target=f"{__name__}:Mine",
                      options=f"{__name__}:NoOptions", summary="One trial.")]
"""
CONDITIONERS = "test_conditioners_are_options_of_the_study"


class TestARightStudy(StudySuite):
    def component(self, **_: object) -> Study:
        return Depths()


@pytest.mark.parametrize(("check", "wrong", "message"), CASES)
def test_a_wrong_study_is_caught(
    check: str, wrong: type, message: str, caught: Callable[..., None]
) -> None:
    caught(StudySuite, check, wrong, message)


def test_a_conditioner_that_is_no_option_is_caught(tmp_path, caught) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    message = "conditioner is 'sentences'; it must be an option of the study .* none"
    caught(StudySuite, CONDITIONERS, None, message, use={"use": "mine"}, plugins=[path])


def test_every_check_of_studies_can_fail(checks: Callable[..., set[str]]) -> None:
    assert checks(StudySuite) == {check for check, *_ in CASES} | {CONDITIONERS}
