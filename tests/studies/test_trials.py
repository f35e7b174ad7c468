"""What each study measures: rows, columns and how the recipe varies."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from tina_studies.curves import TrainingCurves
from tina_studies.options import (
    ClassCountsOptions,
    ImagePromptsOptions,
    SamplesOptions,
    ScalingOptions,
    SentencePromptsOptions,
    TrainingCurvesOptions,
    UnseenClassesOptions,
    VariantsOptions,
)
from tina_studies.prompts import ImagePrompts, SentencePrompts
from tina_studies.samples import Samples
from tina_studies.scaling import Scaling
from tina_studies.tasks import ClassCounts, UnseenClasses
from tina_studies.variants import Variants

from tina_kit.api import Conditioner, Study, Trial, UserError

ROWS = ["classifier-selection", "tina", "tina.5"]


def cells(study: Study) -> list[tuple[str, str | float]]:
    return [(trial.series, trial.x) for trial in study.trials(ROWS)]


def test_variants_are_columns_that_tell_their_split() -> None:
    variants = {"CNN": {"architecture": "cnn"}, "ResNet": {"architecture": "resnet20"}}
    options = VariantsOptions(variants=variants, generators=("tina", "classifier-selection"))
    trials = Variants(options).trials(ROWS)
    assert len(trials) == 8
    assert trials[0] == Trial(
        "tina", "CNN, ID", "tina", {"architecture": "cnn"}, "id", variant="CNN"
    )
    assert trials[7].x == "ResNet, OOD" and trials[7].overrides == {"architecture": "resnet20"}


def test_variants_of_one_generator_are_rows_with_splits_as_columns() -> None:
    variants = {"whole": {}, "no augmentation": {"generators.tina.augmentations": []}}
    options = VariantsOptions(variants=variants, rows="variants", generators=("tina",))
    assert cells(Variants(options)) == [
        ("whole", "ID"),
        ("whole", "OOD"),
        ("no augmentation", "ID"),
        ("no augmentation", "OOD"),
    ]
    both = options.model_copy(update={"generators": ("tina", "tina.5"), "splits": ("ood",)})
    assert cells(Variants(both))[:2] == [("whole", "tina, OOD"), ("whole", "tina.5, OOD")]


def test_controls_are_rows_below_their_generator_in_the_ood_column() -> None:
    splits = ("id", "ood", "shuffled", "gibberish")
    options = VariantsOptions(variants={"CNN": {}}, generators=("tina",), splits=splits)
    trials = Variants(options).trials(ROWS)
    assert [(trial.series, trial.x, trial.split) for trial in trials] == [
        ("tina", "CNN, ID", "id"),
        ("tina", "CNN, OOD", "ood"),
        ("tina, shuffled prompts", "CNN, OOD", "shuffled"),
        ("tina, gibberish prompts", "CNN, OOD", "gibberish"),
    ]


def test_samples_are_used_one_by_one_averaged_and_chosen() -> None:
    study = Samples(SamplesOptions(generators=("tina",), numbers=(1, 5), shots=(2,)))
    best = "best by 2 images a class"
    assert study.trials(ROWS) == [
        Trial("one p-Model", 1, "tina"),
        Trial("one p-Model", 5, "tina"),
        Trial("mean of probabilities", 1, "tina"),
        Trial("mean of probabilities", 5, "tina", samples=5),
        Trial(best, 1, "tina"),
        Trial(best, 5, "tina", samples=5, shots=2),
    ]
    with pytest.raises(UserError, match="no generator 'tuna'"):
        Samples(SamplesOptions(generators=("tuna",))).trials(ROWS)


def test_all_generators_are_measured_unless_some_are_named() -> None:
    study = Variants(VariantsOptions(variants={"a": {}}, splits=("ood",)))
    assert [trial.generator for trial in study.trials(ROWS)] == ROWS


def test_scaling_sweeps_one_key_and_keeps_the_others() -> None:
    options = ScalingOptions(key="tasks.id", values=(10, 100), also={"generic.epochs": 1})
    study = Scaling(options)
    assert study.x_label == "tasks.id"
    assert [trial.generator for trial in study.trials(ROWS)] == [n for n in ROWS for _ in "ab"]
    overrides = {"generic.epochs": 1, "tasks.id": 100}
    assert study.trials(ROWS)[1] == Trial(ROWS[0], 100, ROWS[0], overrides)


def test_scaling_measures_the_generator_whose_key_it_sweeps() -> None:
    options = ScalingOptions(key="generators.tina.sampling_steps", values=(1, 10))
    assert cells(Scaling(options)) == [("tina", 1), ("tina", 10)]
    dotted = ScalingOptions(key="generators.tina.5.depth", values=(1,))
    assert cells(Scaling(dotted)) == [("tina.5", 1)]


def test_a_second_key_makes_a_curve_for_each_of_its_values() -> None:
    options = ScalingOptions(
        key="generators.tina.hidden_size",
        values=(32, 512),
        places=(152, 400.5),
        series_key="tasks.id",
        series_values=(100, 1000),
        series_label="{} p-Models",
        splits=("ood", "id"),
    )
    trials = Scaling(options).trials(ROWS)
    assert len(trials) == 8
    assert trials[0].series == "100 p-Models" and trials[2].series == "100 p-Models, ID"
    assert [trial.x for trial in trials[:2]] == [152, 400.5]
    assert trials[7].overrides == {"tasks.id": 1000, "generators.tina.hidden_size": 512}


def test_a_curve_is_named_by_its_key_and_by_the_generator_among_several() -> None:
    options = ScalingOptions(
        key="tasks.id",
        values=(9,),
        series_key="architecture.widths",
        series_values=([4, 8], [16, 32]),
        generators=("tina", "tina.5"),
    )
    assert [row for row, _ in cells(Scaling(options))] == [
        "tina, widths 4-8",
        "tina.5, widths 4-8",
        "tina, widths 16-32",
        "tina.5, widths 16-32",
    ]


def test_class_counts_ask_for_tasks_of_other_sizes() -> None:
    trials = ClassCounts(ClassCountsOptions(counts=(2, 5), generators=("tina",))).trials(ROWS)
    assert trials == [Trial("tina", 2, "tina", classes=2), Trial("tina", 5, "tina", classes=5)]


def test_unseen_classes_ask_for_the_samplers_own_splits() -> None:
    study = UnseenClasses(UnseenClassesOptions(shares=(0, 40), generators=("tina",)))
    assert [(trial.x, trial.split) for trial in study.trials(ROWS)] == [
        (0, "unseen 0%"),
        (40, "unseen 40%"),
    ]


def test_sentences_are_embedded_by_the_studys_own_conditioner() -> None:
    options = SentencePromptsOptions(generators=("tina",))
    study = SentencePrompts(options, sentences=_Sentences())
    assert study.trials(ROWS) == [
        Trial("class names", "tina", "tina"),
        Trial("sentences", "tina", "tina", conditioner="sentences"),
    ]
    # What the core looks for under that name.
    assert "sentences" in type(options).model_fields and study.versus == "class names"


class _Sentences(Conditioner):
    width = 1

    def embed(self, prompts):
        raise AssertionError("nothing is embedded to plan a study")


def test_image_prompts_stand_beside_text_prompts() -> None:
    study = ImagePrompts(ImagePromptsOptions(generators=("tina", "tina.5")))
    trials = study.trials(ROWS)
    assert [(t.series, t.x, t.prompts) for t in trials] == [
        ("text prompts", "tina", "text"),
        ("text prompts", "tina.5", "text"),
        ("image prompts", "tina", "image"),
        ("image prompts", "tina.5", "image"),
    ]
    assert study.x_label == "generator"


def test_prompts_of_several_images_have_a_row_for_each_number() -> None:
    study = ImagePrompts(ImagePromptsOptions(generators=("tina",), images=(1, 3)))
    assert [(t.series, t.images) for t in study.trials(ROWS)] == [
        ("text prompts", 1),
        ("image prompts", 1),
        ("image prompts, mean of 3", 3),
    ]
    for wrong in ((), (2, 2), (0,)):
        with pytest.raises(ValidationError, match="images"):
            ImagePromptsOptions(generators=("tina",), images=wrong)


def test_few_shot_rows_stand_at_their_shots_and_zero_shot_at_0() -> None:
    shots = {"5": "tina.5", "0.5": "classifier-selection"}
    study = ImagePrompts(ImagePromptsOptions(generators=("tina",), few_shot=shots))
    trials = study.trials(ROWS)
    assert [(t.x, t.generator) for t in trials if t.prompts == "text"] == [
        (0, "tina"),
        (5, "tina"),
        (0.5, "tina"),
    ]
    assert [(t.x, t.generator) for t in trials if t.prompts == "image"] == [
        (0, "tina"),
        (5, "tina.5"),
        (0.5, "classifier-selection"),
    ]
    assert study.x_label == "few-shot training"


def test_a_few_shot_label_that_is_no_number_makes_all_of_them_texts() -> None:
    options = ImagePromptsOptions(generators=("tina",), few_shot={"5": "tina.5", "a lot": "tina.5"})
    assert [x for _, x in cells(ImagePrompts(options))[:3]] == ["zero-shot", "5", "a lot"]


def test_training_curves_are_losses_of_generators_and_variants() -> None:
    study = TrainingCurves(TrainingCurvesOptions(generators=("tina", "tina.5")))
    assert [(t.series, t.measure) for t in study.trials(ROWS)] == [
        ("tina", "loss"),
        ("tina.5", "loss"),
    ]
    variants = {"few": {"tasks.id": 9}, "many": {"tasks.id": 99}}
    study = TrainingCurves(TrainingCurvesOptions(generators=("tina",), variants=variants))
    assert [(t.series, t.overrides) for t in study.trials(ROWS)] == list(variants.items())


def test_the_words_around_the_table_are_options() -> None:
    options = ClassCountsOptions(counts=(2,), title="T", note="N", versus="tina", x_label="X")
    study = ClassCounts(options.model_copy(update={"published": {"tina": {"2": 97.5}}}))
    assert (study.title, study.x_label, study.note, study.versus) == ("T", "X", "N", "tina")
    assert study.published == {("tina", "2"): 97.5}
    assert len(study.trials(ROWS)) == 3


def complaint(study: Study) -> str:
    with pytest.raises(UserError) as caught:
        study.trials(ROWS)
    return str(caught.value)


def test_all_unknown_generators_are_told_with_the_nearest() -> None:
    told = complaint(
        ClassCounts(ClassCountsOptions(counts=(2,), generators=("tinna", "tina", "x")))
    )
    assert told == (
        "generators: the recipe has no generator 'tinna' (did you mean 'tina'?) "
        "or 'x' (available: classifier-selection, tina, tina.5)"
    )
    few_shot = ImagePromptsOptions(generators=("tina",), few_shot={"1": "tina.6"})
    assert "'tina.6' (did you mean 'tina.5'?)" in complaint(ImagePrompts(few_shot))


def test_a_comparison_with_nothing_measured_is_told() -> None:
    options = ClassCountsOptions(counts=(2,), generators=("tina",), versus="tina.5")
    told = complaint(ClassCounts(options))
    assert told == "versus: the study has no row 'tina.5' (did you mean 'tina'?)"


@pytest.mark.parametrize(
    ("published", "told"),
    [
        ({"tinna": {"A, ID": 1.0}}, "published: there is no row 'tinna' (did you mean 'tina'?)"),
        ({"tina": {"B, ID": 1.0}}, "published: there is no column 'B' (available: A)"),
    ],
)
def test_a_published_figure_of_nothing_is_told(published, told: str) -> None:
    options = VariantsOptions(variants={"A": {}}, published=published)
    assert complaint(Variants(options)) == told


def test_a_study_cut_down_to_a_split_and_a_generator_keeps_its_published_figures() -> None:
    published = {"tina": {"A, ID": 1.0, "A, OOD": 2.0}, "tina.5": {"A, ID": 3.0}}
    options = VariantsOptions(
        variants={"A": {}}, published=published, splits=("ood",), generators=("tina",)
    )
    assert cells(Variants(options)) == [("tina", "A, OOD")]
