"""A finished run, opened again from its folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tina_kit.api import Classes, Observer, UserError, abridged, name_index, name_key
from tina_kit.pipeline.answering import OfRun
from tina_kit.pipeline.evaluations import FILE as EVALUATIONS
from tina_kit.pipeline.evaluations import evaluations
from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.facts import facts_of
from tina_kit.pipeline.personal import ReadyGenerator
from tina_kit.pipeline.record import read_record
from tina_kit.pipeline.reporting import html_report
from tina_kit.pipeline.runtime import Runtime
from tina_kit.plugins import Registry
from tina_kit.recipe import Recipe, load_recipe
from tina_kit.report.diagnosis.finding import Finding
from tina_kit.report.diagnosis.rules import diagnose
from tina_kit.report.facts import Facts
from tina_kit.report.studies import StudyReport
from tina_kit.report.table import Table
from tina_kit.store import Store
from tina_kit.store.files import read_json
from tina_kit.training import Observers, resolve_device
from tina_kit.zoo.labelled import Labelled


class FinishedRun:
    """folder: the run folder; record: the content of its `run.json`.

    Stages are found by the keys that the run recorded: neither the images nor anything else that
    was hashed into them is needed to read results and to generate p-Models.
    """

    def __init__(
        self,
        folder: str | Path,
        registry: Registry,
        device: str = "auto",
        observers: Sequence[Observer] = (),
    ) -> None:
        self.folder = Path(folder)
        self.record = read_record(self.folder)
        self._registry, self._observers = registry, Observers(observers)
        self._device = resolve_device(device)
        self._experiments: dict[int, Experiment] = {}
        self._generators: dict[tuple[str | None, int | None, str], ReadyGenerator] = {}

    def __repr__(self) -> str:
        return f"<run {self.record['name']} in {self.folder}>"

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe with every default written out."""
        return load_recipe(self.folder / "resolved.yaml", self._registry, recorded=True)

    @cached_property
    def results(self) -> dict[str, Any]:
        """The content of `results.json`."""
        return dict(read_json(self.folder / "results.json"))

    @cached_property
    def evaluations(self) -> dict[str, Any]:
        """The content of `evaluations.json`: the tasks and what was counted of each. It is taken
        from the store if the run folder is from before there was such a file."""
        try:
            return dict(read_json(self.folder / EVALUATIONS))
        except FileNotFoundError:
            return evaluations([self.experiment(seed) for seed in self.seeds])

    @cached_property
    def facts(self) -> Facts:
        """What diagnosis and report know of it; what the store no longer holds is left out."""
        experiments = [self.experiment(seed) for seed in self.seeds]
        rows, profile = self.results["generators"], self.record.get("profile")
        return facts_of(experiments, rows, self.evaluations, profile)

    @cached_property
    def diagnosis(self) -> list[Finding]:
        """What may be wrong with the run, as it said when it ended; the same rules are applied to
        a run folder from before there was a diagnosis."""
        if "diagnosis" in self.results:
            return [Finding(**finding) for finding in self.results["diagnosis"]]
        return diagnose(self.facts)

    def report(self) -> str:
        """The report as HTML, like `report.html`. Pictures of what the store no longer has are left
        out."""
        return html_report(
            self.folder,
            self.record,
            [self.experiment(seed) for seed in self.seeds],
            self.facts,
            self.diagnosis,
            self.studies,
            self.results["about"],
        )

    @property
    def table(self) -> Table:
        """The results table."""
        return Table(self.results["generators"], self.results["about"])

    @property
    def studies(self) -> dict[str, StudyReport]:
        """The studies by their names in the recipe."""
        about = self.results["about"]
        return {
            row.name: StudyReport.read(row.name, row.component.build(), rows, about)
            for row in self.recipe.studies
            for rows in [self.results["studies"][row.name]]
        }

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(self.record["seeds"])

    def generator(
        self, name: str | None = None, seed: int | None = None, prompts: str = "text"
    ) -> ReadyGenerator:
        """A generator of the run, by default the first for such prompts.

        seed: of the run, by default its first; prompts: "text" or "image". Raises UserError if the
        run has no such generator.
        """
        key = name, seed, prompts
        if key not in self._generators:
            self._generators[key] = ReadyGenerator(OfRun(self.experiment(seed)), name, prompts)
        return self._generators[key]

    def test_images(self, classes: Sequence[str]) -> Labelled:
        """The run's own test images of some classes, as it stored them; those held out of training
        if the run was validating. Raises UserError for classes that the data set does not have."""
        experiment = self.experiment()
        index = name_index(experiment.class_names)
        places = [index.get(name_key(name)) for name in classes]
        if unknown := [name for name, place in zip(classes, places) if place is None]:
            raise UserError(f"{self.folder}: its data set has no class {abridged(unknown, 20)}")
        return experiment.test_images([place for place in places if place is not None])

    def experiment(self, seed: int | None = None) -> Experiment:
        """The stages of one seed, by default the run's first."""
        if seed is not None and seed not in self.seeds:
            raise UserError(f"the run has no seed {seed}; its seeds are {_listed(self.seeds)}")
        chosen = self.seeds[0] if seed is None else seed
        if chosen not in self._experiments:
            data = self.record["data"]
            classes = Classes(data["classes"], data["superclasses"])
            self._experiments[chosen] = Experiment(self.recipe, chosen, self._runtime, classes)
        return self._experiments[chosen]

    @cached_property
    def store(self) -> Store:
        """The store that TINA_KIT_STORE names, else the one that the run recorded."""
        return Store.of_run(self.record["store"])

    @cached_property
    def _runtime(self) -> Runtime:
        keys: dict[tuple[str, int | None], str] = {}
        for stage in self.record["stages"]:
            # A study's variant may have a stage of the same name; the recipe's own comes first.
            keys.setdefault((stage["name"], stage["seed"]), stage["key"])
        return Runtime(self.store, self._device, self.record["precision"], self._observers, keys)


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
