"""What tests of the report share."""

from __future__ import annotations

import pytest


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that read tables and words: figures are most of what a report takes."""
    monkeypatch.setattr("faceleak.bench.report.build.draw_figures", lambda *_: [])
