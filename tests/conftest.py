"""The one place where tests find real media and real weights.

`DUOLOGUE_TEST_MEDIA` and `DUOLOGUE_MODELS` name the folders. Set but absent is a failure (CI must
not go green on nothing); unset is a skip with its reason (a user's clone has neither).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pipelines.threads import ONE_THREAD

# Worker processes must find tests/helpers, and in-process steps must compute with one thread
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(__file__).parent / "helpers"), os.environ.get("PYTHONPATH", "")]
)
os.environ.update(ONE_THREAD)

# How long drawing an example takes is the machine's business: tests judge results
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


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


@pytest.fixture(scope="session")
def cuda() -> str:
    """Name of the CUDA device; a test that takes it is marked `gpu`."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if os.environ.get("FAIL_WITHOUT_CUDA") == "1":
        pytest.fail("FAIL_WITHOUT_CUDA=1 and torch sees no CUDA device")
    pytest.skip("no CUDA device")


@pytest.fixture(scope="session")
def brought_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with what nobody may pass on: seeded random weights of the true architectures."""
    import torch

    from extractors.face_embedding import make_layers
    from extractors.smirk_network import SmirkEncoder
    from extractors.weights_registry import REGISTRY

    folder = tmp_path_factory.mktemp("brought")
    torch.manual_seed(1)
    encoder = SmirkEncoder().eval().state_dict()
    smirk = {f"smirk_encoder.{name}": tensor for name, tensor in encoder.items()}
    torch.save(smirk, folder / REGISTRY["smirk"].file_name)
    torch.save(make_layers().state_dict(), folder / REGISTRY["vggface2"].file_name)
    return folder
