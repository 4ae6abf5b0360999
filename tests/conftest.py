"""The one place where tests find real media and real weights.

`DUOLOGUE_TEST_MEDIA` and `DUOLOGUE_MODELS` name the folders. Set but absent is a failure (CI must
not go green on nothing); unset is a skip with its reason (a user's clone has neither).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.threads import ONE_THREAD

# Worker processes must find tests/helpers, and in-process steps must compute with one thread
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(__file__).parent / "helpers"), os.environ.get("PYTHONPATH", "")]
)
os.environ.update(ONE_THREAD)


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set: this test reads real files that are not in the repository")
    folder = Path(value)
    if not folder.is_dir():
        pytest.fail(f"{variable}={value} is set but is not a folder")
    return folder.resolve()


@pytest.fixture(scope="session")
def media() -> Path:
    """Folder of real clips (`video/`, `audio/`, `broken/`, …)."""
    return _folder("DUOLOGUE_TEST_MEDIA")


@pytest.fixture(scope="session")
def models() -> Path:
    """Folder of real weights."""
    return _folder("DUOLOGUE_MODELS")
