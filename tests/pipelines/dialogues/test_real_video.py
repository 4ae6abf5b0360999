"""One video with two faces and one channel of sound: voices by their sound, overlap by their lips."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from real_dyads import Grid, Sample, both_views, matches, run_real

from extractors.audio import AudioReader

pytestmark = pytest.mark.slow  # 17 s with two faces are watched
WITHIN_S = 0.12


@pytest.fixture(scope="module")
def views(media: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Sample, Sample]:
    """Both views of `dialogue_grid_2spk.mp4`."""
    folder, out = tmp_path_factory.mktemp("video"), tmp_path_factory.mktemp("out")
    shutil.copy(media / "video" / "dialogue_grid_2spk.mp4", folder / "talk.mp4")
    assert run_real(folder, out).account.problems == ()
    return both_views(out, "talk")


def test_turns_speakers_and_the_overlap(media: Path, views: tuple[Sample, Sample]) -> None:
    grid = Grid.read(media)
    for (main, other), view in zip((("A", "B"), ("B", "A")), views, strict=True):
        for side, name in (("main", main), ("other", other)):
            assert matches(view.turns(side), [one for one in grid.turns if one["speaker"] == name], WITHIN_S)
        ((start, stop),) = view.events("overlap")
        assert abs(start - 13.45) <= WITHIN_S and abs(stop - 15.12) <= WITHIN_S
    assert not views[0].header["separated"] and views[0].header["sides_from"] == "voices"


def test_each_side_has_its_own_face(media: Path, views: tuple[Sample, Sample]) -> None:
    """A is the left half of the picture, B the right one: their crops are found again in it."""
    frame = _frames((media / "video" / "dialogue_grid_2spk.mp4").read_bytes(), "rgb24")[200]
    halves = [frame[:, :360], frame[:, 360:]]
    for number, side in enumerate(("main", "other")):
        face = _frames(views[0].members[f"{side}.face.mp4"], "rgb24")
        lips = _frames(views[0].members[f"{side}.lips.mp4"], "gray")
        assert face.shape == (424, 224, 224, 3) and lips.shape[:1] == (424,)
        found = [_best_match(half, face[200]) for half in halves]
        assert found[number] > 0.95 and found[number] - found[1 - number] > 0.1
        assert views[0].array(f"{side}.face61.npy").shape == (212, 61)
        assert views[0].array(f"{side}.face61_valid.npy").mean() > 0.95
        assert views[0].header["speakers"][side]["tracks"] == [number]
    for name in ("face.mp4", "lips.mp4", "arkit52.npy", "trust.npy", "flac"):
        assert views[0].members[f"main.{name}"] == views[1].members[f"other.{name}"]
        assert views[0].members[f"main.{name}"] != views[0].members[f"other.{name}"]


def test_a_mixture_is_gated_and_says_so(media: Path, views: tuple[Sample, Sample]) -> None:
    with AudioReader(str(media / "video" / "dialogue_grid_2spk.mp4"), stream_index=1) as reader:
        whole = np.concatenate(list(reader.blocks()), axis=1).mean(axis=0)
    rate_hz = reader.rate_hz
    sounds = [views[0].sound(f"{side}.native.flac") for side in ("main", "other")]
    assert [rate for _, rate in sounds] == [rate_hz, rate_hz]

    def rms_db(pcm: NDArray[np.float32], start_s: float, stop_s: float) -> float:
        part = pcm[round(start_s * rate_hz) : round(stop_s * rate_hz)].astype(np.float64)
        return float(10 * np.log10(np.mean(part**2)))

    for side, own, other in ((0, (7.2, 8.4), (3.7, 4.9)), (1, (3.7, 4.9), (7.2, 8.4))):
        pcm = sounds[side][0]
        low, high = (round(edge * rate_hz) for edge in own)
        assert np.abs(pcm[low:high] - whole[low:high]).max() < 1e-4  # the mixture itself, 16 bits
        assert rms_db(pcm, *other) < rms_db(whole, *other) - 15  # the other is gone
        assert -90 < rms_db(pcm, *other) < rms_db(pcm, *own) - 15  # and room tone stands there
    low, high = round(13.8 * rate_hz), round(14.9 * rate_hz)
    assert np.array_equal(sounds[0][0][low:high], sounds[1][0][low:high])  # in the overlap both hear both


def _frames(data: bytes, pixels: str) -> NDArray[np.uint8]:
    with av.open(io.BytesIO(data)) as video:
        return np.stack([frame.to_ndarray(format=pixels) for frame in video.decode(video=0)])


def _best_match(picture: NDArray[np.uint8], crop: NDArray[np.uint8]) -> float:
    """Largest correlation of the middle of the crop with the picture, over sizes and places."""
    import cv2

    middle = cv2.cvtColor(crop[40:184, 40:184], cv2.COLOR_RGB2GRAY)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    sizes = (size for size in range(72, 200, 8) if size < min(grey.shape))
    scaled = (cv2.resize(middle, (size, size), interpolation=cv2.INTER_AREA) for size in sizes)
    return max(float(cv2.matchTemplate(grey, one, cv2.TM_CCOEFF_NORMED).max()) for one in scaled)
