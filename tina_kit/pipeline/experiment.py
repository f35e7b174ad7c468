"""One recipe and one seed: joins the stages from images to evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from torch import Tensor

from tina_kit.api import Architecture, Classes, UserError
from tina_kit.pipeline.imported import ImportedZoo, read_imported
from tina_kit.pipeline.runtime import Runtime
from tina_kit.pipeline.stage import Stage
from tina_kit.pipeline.stages.conditions import Conditions, Source
from tina_kit.pipeline.stages.evaluate import EvaluateStage
from tina_kit.pipeline.stages.features import Inputs
from tina_kit.pipeline.stages.fit import FitStage, GeneratorRow
from tina_kit.pipeline.stages.generic import GenericStage, seen_setting
from tina_kit.pipeline.stages.images import ImagesStage
from tina_kit.pipeline.stages.rejection import RejectionStage
from tina_kit.pipeline.stages.zoo import FineTuning, ImportedStage, ZooShards
from tina_kit.pipeline.tasks import TaskDraws, without
from tina_kit.pipeline.validating import measure_while_fitting
from tina_kit.recipe import NamedComponent, Recipe, ResolvedComponent
from tina_kit.zoo.labelled import Labelled


class Experiment:
    """Declares stages before anything is computed; results are read on demand.

    Nothing here selects on test images or OOD tasks. classes: given for a finished run, so that the
    data set need not be asked for them.
    """

    def __init__(
        self, recipe: Recipe, seed: int, runtime: Runtime, classes: Classes | None = None
    ) -> None:
        self.recipe = recipe
        self.seed = seed
        self.runtime = runtime
        if classes is not None:
            self.classes = classes
        self._rows: dict[str, GeneratorRow] = {}

    # Classes and tasks.

    @cached_property
    def classes(self) -> Classes:
        dataset = self.images.dataset
        try:
            return Classes(list(dataset.class_names), dataset.superclasses)
        except UserError as error:
            raise UserError(f"{self.recipe.where('dataset')}: dataset: {error}") from error

    @property
    def class_names(self) -> list[str]:
        return list(self.classes.names)

    @cached_property
    def tasks(self) -> dict[str, Tensor]:
        """ "id", "ood" and the sampler's own test splits: int64 `(T, C)`, -1 where absent."""
        drawn = self._draws.tasks
        return drawn if self.imported is None else self.imported.in_place_of_id(drawn)

    @cached_property
    def seen(self) -> Tensor:
        """int64 `(K',)`: the classes that anything trained may see."""
        return self._draws.seen

    def tasks_of(self, classes: int) -> Tensor:
        """OOD tasks of `classes` classes, int64 `(T, classes)`."""
        return without(self._draws.of(classes), self.tasks["id"])

    @cached_property
    def imported(self) -> ImportedZoo | None:
        """The zoo that the recipe names, whose tasks are the ID tasks."""
        folder = self.recipe.core.zoo
        if folder is None:
            return None
        # Each of these errors already names its location.
        architecture, key = self.architecture, self.generic.key
        return read_imported(
            folder, self.recipe.where("zoo"), architecture, key, self.class_names, self.seen
        )

    @cached_property
    def _draws(self) -> TaskDraws:
        return TaskDraws(self.recipe, self.classes, self.seed)

    def test_images(self, classes: Sequence[int]) -> Labelled:
        """The stored test images of some classes, labelled by their place among these; those held
        out of training if the run is validating."""
        images, order = self.images.read("test"), {each: n for n, each in enumerate(classes)}
        labels = images.labels.tolist()
        some = [number for number, label in enumerate(labels) if label in order]
        kind = "test" if self.recipe.core.evaluation.on == "test" else "validation"
        return Labelled(
            [images.images[number] for number in some],
            [order[labels[number]] for number in some],
            f"the run's {kind} images of {len(classes)} of {len(self.class_names)} classes",
        )

    # Stages, in the order in which they run.

    @cached_property
    def images(self) -> ImagesStage:
        validating = self.recipe.core.evaluation.on == "validation"
        return ImagesStage(self.runtime, self.recipe.dataset, validating)

    def check_images(self) -> None:
        """Raises UserError naming the classes with too few images. For after the images stage and
        before anything is trained; an older version may have stored such images."""
        rows = map(self.row, self.recipe.generators)
        self.images.check(self.class_names, any(row.flags.prompts == "image" for row in rows))

    @cached_property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the images that p-Models see; for after the images stage."""
        return self.images.size

    @cached_property
    def generic(self) -> GenericStage:
        return GenericStage(
            self.runtime,
            self.images,
            self.recipe.architecture,
            self.recipe.core.generic,
            self.seen,
            len(self.class_names),
            self.seed,
            self.recipe.core.evaluation.curve,
        )

    @property
    def architecture(self) -> Architecture:
        return self.generic.architecture

    @cached_property
    def inputs(self) -> Inputs:
        return Inputs(self.runtime, self.images, self.generic)

    @cached_property
    def zoo(self) -> ZooShards:
        imported = self.imported
        stage = None
        if imported is not None:
            stage = ImportedStage(self.runtime, imported.folder, imported.tasks)
        tuning = FineTuning(self.inputs, self.recipe.core.finetune, self.seed)
        return ZooShards(self.runtime, self.inputs, tuning, self.tasks, stage)

    @cached_property
    def conditions(self) -> Conditions:
        return self.conditions_by(self.recipe.conditioner)

    def conditions_by(self, component: ResolvedComponent) -> Conditions:
        """Prompts embedded by a conditioner other than the recipe's."""
        seen = seen_setting(self.seen, len(self.class_names))
        return Conditions(self.runtime, component, Source(self.class_names, self.images, seen))

    def row(self, named: NamedComponent) -> GeneratorRow:
        """A generator of the recipe."""
        if named.name not in self._rows:
            self._rows[named.name] = GeneratorRow(
                self.runtime,
                named,
                self.inputs,
                self.conditions,
                self.zoo,
                self.tasks["id"],
                self._inherited(named),
                self.seed,
            )
            options = self.recipe.core.evaluation
            measure_while_fitting(self._rows[named.name], self.tasks["ood"], options)
        return self._rows[named.name]

    def evaluation(self, named: NamedComponent) -> EvaluateStage:
        options = self.recipe.core.evaluation
        return EvaluateStage(self.runtime, self.row(named), options, self.tasks)

    def measurements(self, named: NamedComponent) -> list[Stage]:
        """What is measured of a generator: right answers and, if asked for, thresholds."""
        rejection = self.rejection(named)
        return [self.evaluation(named), *([] if rejection is None else [rejection])]

    def rejection(self, named: NamedComponent) -> RejectionStage | None:
        """None if the recipe asks for no threshold, or the generator answers no tasks but the
        run's own."""
        row, options = self.row(named), self.recipe.core.evaluation
        if options.rejection is None or row.flags.personalises or row.flags.id_only:
            return None
        return RejectionStage(self.runtime, row, options, self.tasks)

    def _inherited(self, named: NamedComponent) -> dict[str, FitStage]:
        """For each option that names another row, the stage that fits that row."""
        rows = {row.name: row for row in self.recipe.generators}
        stages = {
            option: self.row(rows[name]).stage for option, name in named.component.rows().items()
        }
        return {option: stage for option, stage in stages.items() if stage is not None}
