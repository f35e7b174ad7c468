"""Options of studies pass the recipe's checks, and mistakes in them are told where they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tina_kit.api import UserError
from tina_kit.plugins import discover
from tina_kit.recipe import Recipe, load_recipe
from tina_kit.store import content_key

RECIPE = """\
dataset: {use: shapes}
architecture: {use: cnn}
conditioner: {use: hashed-ngrams}
generators: [{use: classifier-selection}, {use: tina-dit, name: tina}]
studies:
"""
TABLE = """\
  - use: variants
    name: table
    variants:
      CNN: {architecture.widths: [4, 8], generic.learning_rate: 1e-3, dataset: {use: shapes}}
      none: {}
    published: {tina: {"CNN, ID": 88, "CNN, OOD": 87.5}}
"""


@pytest.fixture(scope="module")
def registry():
    return discover()


@pytest.fixture
def load(tmp_path: Path, registry):
    def load(studies: str) -> Recipe:
        path = tmp_path / "r.yaml"
        path.write_text(RECIPE + studies)
        return load_recipe(path, registry)

    return load


def test_overrides_keep_their_types_and_order(load) -> None:
    options = load(TABLE).studies[0].component.options
    assert list(options.variants) == ["CNN", "none"]
    assert options.variants["CNN"] == {
        "architecture.widths": [4, 8],
        "generic.learning_rate": 1e-3,
        "dataset": {"use": "shapes"},
    }
    assert options.published["tina"]["CNN, ID"] == 88.0


def test_a_variant_takes_the_overrides_of_an_earlier_one(load) -> None:
    text = TABLE.replace("none: {}", "more: {like: CNN, generic.learning_rate: 1e-2}")
    variants = load(text).studies[0].component.options.variants
    assert variants["more"] == variants["CNN"] | {"generic.learning_rate": 1e-2}


def test_options_make_one_key_whatever_the_order_of_the_overrides(load) -> None:
    def key(text: str) -> str:
        return content_key(load(text).studies[0].component.options.model_dump(mode="json"))

    first, second = "architecture.widths: [4, 8]", "generic.learning_rate: 1e-3"
    swapped = TABLE.replace(f"{first}, {second}", f"{second}, {first}")
    assert swapped != TABLE and key(swapped) == key(TABLE)
    assert key(TABLE.replace("[4, 8]", "[4, 9]")) != key(TABLE)


def test_every_study_is_built_as_its_recipe_says(load) -> None:
    recipe = load(
        TABLE
        + """\
  - {use: scaling, key: generators.tina.depth, values: [1, 2.5, a]}
  - {use: class-counts, counts: [2, 5]}
  - {use: unseen-classes}
  - {use: sentence-prompts, sentences: {use: hashed-ngrams, width: 32}}
  - {use: image-prompts, generators: [tina], few_shot: {3: tina}}
  - {use: training-curves, generators: [tina]}
  - {use: samples, generators: [tina]}
"""
    )
    names = [generator.name for generator in recipe.generators]
    studies = {study.name: study.component.build() for study in recipe.studies}
    assert len(studies) == 8
    assert all(study.title and study.x_label for study in list(studies.values())[1:])
    assert [t.x for t in studies["scaling"].trials(names)] == [1, 2.5, "a"]
    assert [t.x for t in studies["image-prompts"].trials(names)] == [0, 3, 0, 3]
    assert studies["sentence-prompts"].sentences.width == 32


@pytest.mark.parametrize(
    ("study", "told"),
    [
        ("{use: variants, variants: {}}", "variants: dictionary should have at least 1 item"),
        ("{use: variants, variants: {a: {tasks..id: 1}}}", "write a dotted key"),
        ("{use: variants, variants: {a: {seeds: [1]}}}", "'seeds' belongs to the whole run"),
        ("{use: variants, variants: {a: {x.y: [.inf]}}}", "a: must be a finite"),
        (
            "{use: variants, variants: {a: {like: b}, b: {}}}",
            "a: like: there is no earlier variant",
        ),
        ("{use: variants, variants: {a: {}}, splits: [id, id]}", "'id' is listed twice"),
        ("{use: variants, variants: {a: {}}, splitz: [id]}", "did you mean 'splits'?"),
        ("{use: scaling, key: a.b, values: []}", "values: must have at least one"),
        ("{use: scaling, key: a.b, values: [1, 1.0]}", "1.0 is listed twice"),
        ("{use: scaling, key: a.b, values: [[1]]}", "is neither a number nor text"),
        ("{use: scaling, key: a.b, values: [true]}", "is neither a number nor text"),
        ("{use: scaling, key: a.b, values: [.nan]}", "must be a finite number"),
        ("{use: scaling, key: a.b, values: [1], places: [1, 2]}", "2 places for 1 values"),
        ("{use: scaling, key: a.b, values: [1], also: {a.b: 2}}", "'a.b' is set twice"),
        ("{use: scaling, key: a.b, values: [1], series_key: c}", "must be given together"),
        ("{use: scaling, key: a.b, values: [1], series_values: [1]}", "must be given together"),
        (
            "{use: scaling, key: a.b, values: [1], series_key: c, series_values: [1], "
            "series_label: x}",
            "must contain {}",
        ),
        ("{use: class-counts, counts: [1]}", "all values must be at least 2, but 1 is not"),
        ("{use: unseen-classes, shares: [101]}", "all values must be from 0 to 100, but 101"),
        ("{use: image-prompts}", "generators: this option is required"),
        (
            "{use: image-prompts, generators: [a, b], few_shot: {1: c}}",
            "requires a single generator",
        ),
        (
            "{use: image-prompts, generators: [a], few_shot: {0: c}}",
            "cannot be a label of few_shot",
        ),
        ("{use: image-prompts, generators: [a], few_shot: {1: b, 1.0: c}}", "the same number"),
        ("{use: samples, generators: [a, b]}", "must be a single one; write one study for each"),
        ("{use: samples, generators: [a], numbers: [0]}", "all values must be from 1 to 1000"),
        ("{use: samples, generators: [a], numbers: []}", "must have at least one value"),
        ("{use: samples, generators: [a], shots: [0]}", "all values must be at least 1, but 0"),
        ("{use: training-curves}", "generators: this option is required"),
    ],
)
def test_mistakes_are_told_where_they_stand(load, study: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        load(f"  - {study}\n")
    (message,) = str(caught.value).splitlines()
    assert told in message and "r.yaml:6:" in message


def test_studies_need_no_torch_to_be_checked(load) -> None:
    import subprocess
    import sys

    code = "import sys, tina_studies, tina_studies.options; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
