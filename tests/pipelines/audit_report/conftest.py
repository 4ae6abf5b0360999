"""A made corpus for the report."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_audit import make_corpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clips of one person and a dialogue in both views; never written to."""
    return make_corpus(tmp_path_factory.mktemp("reported"))
