"""The public surface of `tina_kit.api` changes on purpose or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from tests.api.surface import RECORD, surface
from tina_kit import api

ADVICE = """
tina_kit.api is not what tests/api/surface.json records: {names}.
If that is not what you meant, undo it. If it is:
1. would a plugin that works now have to be changed (a name, parameter or field is gone, renamed or
   new without a default; a method became abstract; a meaning changed)? Then raise API_VERSION in
   tina_kit/api/component.py and say in CHANGELOG.md what authors must do. Where it can be, let the
   old way work with a warning for one minor version first.
2. if it only adds something, leave API_VERSION and name the addition in CHANGELOG.md.
3. record it: python -m tests.api.surface
"""


def differing(recorded, found) -> list[str]:
    names = sorted(recorded["names"].keys() | found["names"].keys())
    changed = [n for n in names if recorded["names"].get(n) != found["names"].get(n)]
    return changed + ["API_VERSION"] * (recorded["API_VERSION"] != found["API_VERSION"])


def test_the_surface_is_the_recorded_one() -> None:
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))
    changed = differing(recorded, json.loads(json.dumps(surface())))
    assert not changed, ADVICE.format(names=", ".join(changed))


def test_every_change_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    before = surface()

    @dataclass(frozen=True)
    class Request:
        conditions: object

    class Generator(api.Generator):
        def setup(self, context, more) -> None:
            pass

    for name, other in (
        ("Request", Request),
        ("Generator", Generator),
        ("name_key", api.name_index),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(api, name, other, raising=False)
            assert differing(before, surface()) == [name]
    monkeypatch.setattr(api, "API_VERSION", 2)
    assert differing(before, surface()) == ["API_VERSION"]


def test_all_names_can_be_imported_and_are_listed() -> None:
    for name in api.__all__:
        assert getattr(api, name) is not None
    assert list(api.__all__) == sorted(api.__all__, key=lambda n: (n != "API_VERSION", n))
