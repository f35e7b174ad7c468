"""What cannot be drawn is told with the place in the recipe that asks for it."""

from __future__ import annotations

import pytest

from tina_kit.api import UserError


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        ("{use: unseen-classes, seen: 500}", "tasks: seen: 500 of 100 classes leave a shard empty"),
        ("{use: unseen-classes, seen: 5}", "tasks: .* 10 classes a task"),
        ("{classes: 101}", "tasks: 101 classes a task, but the data set has only 100"),
    ],
)
def test_what_cannot_be_drawn_is_told_with_its_place(plan, tasks: str, told: str) -> None:
    setting = f"tasks={tasks}"
    with pytest.raises(UserError, match=told) as caught:
        plan(sets=[setting]).stages  # noqa: B018
    assert str(caught.value).startswith(f"--set {setting}: ")
