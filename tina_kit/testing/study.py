"""Conformance of studies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar

from tina_kit.api import Study, Trial
from tina_kit.testing import expect
from tina_kit.testing.base import ComponentSuite

MEASURES = ("p-acc", "loss")
PROMPTS = ("text", "image")


class StudySuite(ComponentSuite):
    """Checks of a study, on a recipe whose rows are called as in `generators`."""

    kind = "study"
    contract: ClassVar[type] = Study
    generators: Sequence[str] = ("generic", "tina-dit", "oracle")

    @property
    def made(self) -> Sequence[Trial]:
        return self.kept("trials", lambda: self.shared.trials(list(self.generators)))

    def test_trials_are_measurements(self) -> None:
        trials = self.made
        assert isinstance(trials, Sequence) and trials, (
            f"trials gives {trials!r}; it must give one Trial at least"
        )
        odd = [trial for trial in trials if not isinstance(trial, Trial)]
        assert not odd, f"trials holds a {type(odd[0]).__name__}; each must be a Trial"

    def test_trials_measure_generators_of_the_recipe(self) -> None:
        unknown = {trial.generator for trial in self.made} - set(self.generators)
        assert not unknown, (
            f"a trial measures {sorted(unknown)[0]!r}, which is not a row of the recipe "
            f"({', '.join(self.generators)})"
        )

    def test_generators_of_another_recipe_are_measured_or_told(self) -> None:
        others = ["somebody-elses"]
        with expect.done_or_told("a recipe whose only generator is called 'somebody-elses'"):
            unknown = {trial.generator for trial in self.shared.trials(others)} - set(others)
            assert not unknown, (
                f"a trial measures {sorted(unknown)[0]!r}, which the recipe does not hold; where "
                "an option names it, UserError must tell"
            )

    def test_each_place_in_the_table_is_measured_once(self) -> None:
        places = [(trial.series, trial.x) for trial in self.made if trial.measure == "p-acc"]
        twice = [place for place in places if places.count(place) > 1]
        assert not twice, f"two trials stand at {twice[0]}; each series and x must be measured once"

    def test_fields_of_trials_are_known(self) -> None:
        for trial in self.made:
            known = (
                isinstance(trial.series, str)
                and isinstance(trial.x, (str, int, float))
                and isinstance(trial.split, str)
                and trial.measure in MEASURES
                and trial.prompts in PROMPTS
                and (trial.classes is None or trial.classes > 1)
                and trial.samples > 0
                and trial.shots >= 0
            )
            assert known, (
                f"{trial} has a field that the contract does not allow: series is a text, x a text "
                f"or a number, measure in {MEASURES}, prompts in {PROMPTS}, classes above 1 or "
                "None, samples above 0, shots not below"
            )

    def test_overrides_are_keys_of_a_recipe(self) -> None:
        for trial in self.made:
            try:
                json.dumps(dict(trial.overrides), allow_nan=False)
            except (TypeError, ValueError) as error:
                raise AssertionError(
                    f"overrides {trial.overrides} are no JSON ({error}); they are values of a "
                    "recipe and part of cache keys"
                ) from error
            odd = [key for key in trial.overrides if not all(key.split("."))]
            assert not odd, f"{odd[0]!r} is not a dotted key of a recipe, as `--set` takes it"

    def test_conditioners_are_options_of_the_study(self) -> None:
        named = {trial.conditioner for trial in self.made} - {None}
        if not named:
            return
        nested = set(self._resolved().children)
        assert named <= nested, (
            f"a trial's conditioner is {sorted(map(str, named - nested))[0]!r}; it must be an "
            f"option of the study that holds one (there is {', '.join(sorted(nested)) or 'none'})"
        )

    def test_words_around_the_table_are_texts(self) -> None:
        for name in ("title", "x_label", "note"):
            value = getattr(self.shared, name)
            assert isinstance(value, str), f"{name} is {value!r}; it must be a text"

    def test_versus_is_a_series(self) -> None:
        versus, series = self.shared.versus, {trial.series for trial in self.made}
        assert versus is None or versus in series, (
            f"versus is {versus!r}; it must be None or a series ({', '.join(sorted(series))})"
        )

    def test_published_values_are_percent_by_place(self) -> None:
        for place, value in self.shared.published.items():
            good = isinstance(place, tuple) and len(place) == 2 and 0 <= value <= 100
            assert good, f"published holds {place!r}: {value!r}; it must be (series, x) and percent"

    def test_asking_again_gives_the_same_trials(self) -> None:
        with expect.global_seed(1):
            again = self.component().trials(list(self.generators))
        assert list(again) == list(self.made), (
            "an equal study gives other trials; they depend on options and the recipe's rows alone"
        )

    def test_the_recipes_rows_stay_as_they_are(self) -> None:
        rows = list(self.generators)
        self.shared.trials(rows)
        assert rows == list(self.generators), (
            f"trials leaves the list of generators as {rows}; arguments stay as they were given"
        )
