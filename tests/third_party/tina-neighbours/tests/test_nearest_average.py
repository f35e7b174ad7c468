"""`nearest-average` keeps the contract of generators and averages what belongs together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tina_kit.api import Request, UserError, Zoo
from tina_kit.testing import GeneratorSuite, World

from tina_neighbours.average import NearestAverage
from tina_neighbours.matching import NONE, match
from tina_neighbours.options import NearestAverageOptions


class TestDefaults(GeneratorSuite):
    use = {"use": "nearest-average"}


class TestPlainAverage(GeneratorSuite):
    use = {"use": "nearest-average", "k": 3, "temperature": None}


class TestMoreThanThereAre(GeneratorSuite):
    use = {"use": "nearest-average", "k": 1000}


TURNED = torch.tensor([2, 0, 3, 1])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def fitted(world: World, zoo: Zoo, **options: Any) -> NearestAverage:
    generator = NearestAverage(NearestAverageOptions(**options))
    generator.setup(world.context())
    generator.fit(zoo)
    return generator


def ask(world: World, tasks: torch.Tensor) -> Request:
    return Request(world.conditions(tasks), tasks)


def owners(world: World, classes: int = 4) -> torch.Tensor:
    return world.architecture.layout(classes).class_of_entries()


def test_an_id_task_in_another_order_gets_its_p_model_in_that_order(world: World) -> None:
    zoo = world.zoo(tasks=12)
    made = fitted(world, zoo, k=1).generate(ask(world, zoo.tasks[:, TURNED]))
    layout = world.architecture.layout(4)
    torch.testing.assert_close(made, layout.take_classes(zoo.vectors, TURNED.expand(12, -1)))


def test_the_order_in_which_neighbours_were_drawn_plays_no_part(world: World) -> None:
    """Every p-Model of the zoo with its rows turned: the same averages."""
    zoo, layout = world.zoo(tasks=12), world.architecture.layout(4)
    random = torch.Generator().manual_seed(0)
    order = torch.rand(12, 4, generator=random).argsort(1)
    turned = Zoo(
        zoo.tasks.gather(1, order),
        zoo.conditions.gather(1, order[..., None].expand_as(zoo.conditions)),
        layout.take_classes(zoo.vectors, order),
    )
    request = ask(world, world.tasks(5, seed=9))
    one, other = (fitted(world, z, k=4).generate(request) for z in (zoo, turned))
    torch.testing.assert_close(one, other)
    sums = [z.vectors.mean(0)[owners(world) >= 0] for z in (zoo, turned)]
    assert not torch.allclose(*sums, atol=0.1)  # averages of rows as they stand do differ


def test_prompts_in_another_order_turn_the_rows_and_nothing_else(world: World) -> None:
    generator = fitted(world, world.zoo(), k=5)
    tasks = world.tasks(6, seed=9)
    plain, turned = (generator.generate(ask(world, t)) for t in (tasks, tasks[:, TURNED]))
    expected = world.architecture.layout(4).take_classes(plain, TURNED.expand(6, -1))
    torch.testing.assert_close(turned, expected)


def test_a_row_comes_from_the_neighbour_that_knows_the_class(world: World) -> None:
    zoo = world.zoo(tasks=2)
    tasks = torch.tensor([[0, 1, 2, 3], [4, 5, 6, 7]])
    zoo = Zoo(tasks, world.conditions(tasks), zoo.vectors)
    made = fitted(world, zoo, k=2, temperature=1e-3).generate(
        ask(world, torch.tensor([[0, 5, 2, 7]]))
    )
    for place, task in enumerate([0, 1, 0, 1]):
        own = owners(world) == place
        torch.testing.assert_close(made[0, own], zoo.vectors[task, own])


def test_without_a_temperature_all_neighbours_weigh_alike(world: World) -> None:
    zoo = world.zoo(tasks=3)
    made = fitted(world, zoo, k=3, temperature=None).generate(ask(world, zoo.tasks[:1]))
    shared = owners(world) < 0
    torch.testing.assert_close(made[0, shared], zoo.vectors[:, shared].mean(0))


def test_a_low_temperature_leaves_the_nearest_alone(world: World) -> None:
    zoo = world.zoo(tasks=12)
    made = fitted(world, zoo, k=12, temperature=1e-4).generate(ask(world, zoo.tasks[:3]))
    shared = owners(world) < 0
    torch.testing.assert_close(made[:, shared], zoo.vectors[:3, shared])


def test_neighbours_that_know_a_class_alike_share_its_row(world: World) -> None:
    tasks = torch.tensor([[0, 1, 2, 3], [4, 0, 5, 6], [7, 8, 9, 10]])
    zoo = Zoo(tasks, world.conditions(tasks), world.zoo(tasks=3).vectors)
    asked = torch.tensor([[11, 12, 13, 0]])
    made = fitted(world, zoo, k=3, temperature=1e-3).generate(ask(world, asked))
    known = [zoo.vectors[task, owners(world) == place] for task, place in [(0, 0), (1, 1)]]
    torch.testing.assert_close(made[0, owners(world) == 3], (known[0] + known[1]) / 2)


def test_fewer_classes_than_id_tasks_have_are_picked_from_them(world: World) -> None:
    zoo = world.zoo(tasks=12)
    made = fitted(world, zoo, k=1).generate(ask(world, zoo.tasks[:, [3, 0]]))
    index = torch.tensor([3, 0]).expand(12, -1)
    wanted = world.architecture.layout(4).take_classes(zoo.vectors, index)
    mine = owners(world, 2) >= 0
    exact = (made - wanted)[:, mine].abs().amax(1) < 1e-5
    # Where another task holds both classes too, it may be the nearest one as well.
    holders = torch.tensor(
        [
            sum({last, first} <= set(task) for task in zoo.tasks.tolist())
            for last, first in zoo.tasks[:, [3, 0]].tolist()
        ]
    )
    assert exact[holders == 1].all() and (holders == 1).sum() > 5


def test_absent_classes_have_rows_of_zeros_and_no_say(world: World) -> None:
    zoo = world.zoo(smallest=3)
    tasks = world.tasks(4, seed=9)
    tasks[:, 3] = -1
    generator = fitted(world, zoo)
    made = generator.generate(ask(world, tasks))
    assert not made[:, owners(world) == 3].any()
    layout = world.architecture.layout(4)
    three = layout.take_classes(made, torch.arange(3).expand(4, -1))
    torch.testing.assert_close(three, generator.generate(ask(world, tasks[:, :3])))


def test_more_classes_than_any_id_task_has_are_told(world: World) -> None:
    generator = fitted(world, world.zoo(smallest=3))
    with pytest.raises(UserError, match="5 classes was asked for, but no ID task has more than 4"):
        generator.generate(ask(world, world.tasks(2, 5, 5)))


def test_an_id_task_of_too_few_classes_is_no_neighbour(world: World) -> None:
    zoo = world.zoo(tasks=2)
    tasks = zoo.tasks.clone()
    tasks[0, 3] = -1
    zoo = Zoo(tasks, world.conditions(tasks), zoo.vectors)
    made = fitted(world, zoo, k=2, temperature=None).generate(ask(world, zoo.tasks[1:]))
    torch.testing.assert_close(made, zoo.vectors[1:])


def test_names_of_no_class_get_p_models(world: World) -> None:
    strange = torch.randn(3, 4, world.width, generator=torch.Generator().manual_seed(5))
    made = fitted(world, world.zoo()).generate(Request(strange, None))
    assert made.shape == (3, world.architecture.layout(4).size) and made.isfinite().all()


def test_the_most_similar_pair_is_matched_first() -> None:
    similarity = torch.tensor([[0.9, 0.8, 0.0], [1.0, 0.1, 0.0], [-torch.inf] * 3])
    places, values = match(similarity)
    assert places.tolist() == [1, 0, NONE]
    torch.testing.assert_close(values, torch.tensor([0.8, 1.0, -torch.inf]))


def test_many_pairs_are_matched_as_each_is_alone() -> None:
    similarity = torch.rand(3, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    places, values = match(similarity)
    assert places.shape == values.shape == (3, 5, 4)
    for index in [(0, 0), (1, 3), (2, 4)]:
        assert torch.equal(places[index], match(similarity[index])[0])
        assert len(set(places[index].tolist())) == 4
        torch.testing.assert_close(
            values[index], similarity[index].gather(1, places[index][:, None]).squeeze(1)
        )


@pytest.mark.parametrize("options", [{"k": 0}, {"temperature": 0.0}, {"temperature": -1.0}])
def test_options_of_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="greater than"):
        NearestAverageOptions(**options)
