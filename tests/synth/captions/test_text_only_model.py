"""A real language model that takes text alone, behind a real server, is shown a sound and a picture."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import llm_server
import numpy as np
import pytest
import soundfile

from manifests.store import Store
from synth.captions.captioner import Captioner, CaptionTask
from synth.captions.config import CaptionConfig
from synth.llm.chat import ServerUnusableError
from synth.llm.messages import Media


def wav() -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(16_000, np.int16), 16_000, format="WAV")
    return buffer.getvalue()


def test_the_run_ends_with_what_is_wrong(tmp_path: Path) -> None:
    absent = llm_server.missing()
    if absent:
        pytest.skip(f"{absent} is not installed")
    jpeg = cv2.imencode(".jpg", np.full((64, 64, 3), 90, np.uint8))[1].tobytes()
    with llm_server.llm_server() as url:
        for media in (Media("wav", wav(), 100), Media("jpeg", jpeg, 100)):
            config = CaptionConfig(server={"base_url": url}, model=llm_server.MODEL)
            captioner = Captioner(config, Store(tmp_path))
            with pytest.raises(ServerUnusableError, match="takes no sound or no pictures") as told:
                list(captioner.run([CaptionTask("clip", (media,), "0" * 16)]))
            assert "not supported" in str(told.value)  # the server's own words
            assert captioner.counts.sent == 1
