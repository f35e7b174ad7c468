"""What several conditioners' tests need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conditioners.language_model import KEY, Endpoint, serving


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as found:
        yield found
