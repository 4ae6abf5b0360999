"""lhotse itself reads the export: `CutSet.from_shar`."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_corpus import MadeCorpus, flac, npy, talk, write_corpus

from manifests.exports.base import ExportError
from manifests.exports.run import run_export

lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed")


@pytest.fixture(autouse=True)
def libsndfile() -> None:
    """Its default backends import torchaudio, whose native library a CPU build of torch does not load."""
    lhotse.audio.set_current_audio_backend("LibsndfileBackend")


def cuts(folder: Path) -> dict[str, object]:
    return {cut.id: cut for cut in lhotse.CutSet.from_shar(in_dir=folder, shuffle_shards=False)}


def test_sound_text_words_and_arrays_come_back(talks: MadeCorpus, out: Path) -> None:
    run_export(talks.path, "lhotse-shar", str(out), {"arrays": ["face61.npy", "units.npy"]})
    found = {split: cuts(out / split) for split in ("train", "valid")}
    assert {key for mine in found.values() for key in mine} == set(talks.samples)
    for split, mine in found.items():
        for key, cut in mine.items():
            made = talks.samples[key]
            assert made.split == split
            lhotse.qa.validate(cut)
            assert np.array_equal(np.rint(cut.load_audio()[0] * 32768), made.pcm["flac"])
            assert (cut.sampling_rate, cut.num_samples) == (16_000, len(made.pcm["flac"]))
            (said,) = cut.supervisions
            labels = (said.text, said.language, said.speaker)
            assert labels == tuple(made.header[name] for name in ("text", "language", "speaker"))
            words = [[one.symbol, one.start, pytest.approx(one.end)] for one in said.alignment["word"]]
            assert words == made.header["words"]
            for field in ("face61", "units"):
                truth = np.load(io.BytesIO(made.members[f"{field}.npy"]))
                assert np.array_equal(getattr(cut, f"load_{field}")(), truth)
            assert cut.face61.frame_shift == 0.08


def test_a_part_of_a_cut_has_the_part_of_its_arrays(talks: MadeCorpus, out: Path) -> None:
    """What the times are for: lhotse cuts sound and coefficients at the same place."""
    run_export(talks.path, "lhotse-shar", str(out), {"arrays": ["face61.npy"]})
    for key, cut in cuts(out / "train").items():
        made = talks.samples[key]
        part = cut.truncate(offset=0.4, duration=0.8)
        assert np.array_equal(np.rint(part.load_audio()[0] * 32768), made.pcm["flac"][6_400:19_200])
        assert np.array_equal(part.load_face61(), np.load(io.BytesIO(made.members["face61.npy"]))[5:15])


def test_dialogues_have_two_channels_and_a_supervision_a_turn(dialogues: MadeCorpus, out: Path) -> None:
    run_export(dialogues.path, "lhotse-shar", str(out))
    for key, cut in cuts(out / "train").items():
        made = dialogues.samples[key]
        sound = np.rint(cut.load_audio() * 32768)
        assert np.array_equal(sound, np.stack([made.pcm["main.flac"], made.pcm["other.flac"]]))
        told = [(one.channel, one.start, pytest.approx(one.end), one.speaker) for one in cut.supervisions]
        assert told == [
            (1, 0.5, 4.0, "ben"),
            (0, 4.5, 9.0, "anna"),
            (1, 8.0, 11.0, "ben"),
            (0, 11.5, 16.0, "anna"),
            (1, 17.0, 19.0, "ben"),
        ]
        assert [one.text for one in cut.supervisions] == ["o0 o1", "m0", "o2", "m1", "o3"]


def test_an_array_that_a_sample_lacks_is_left_open(tmp_path: Path) -> None:
    made = [talk(n, "train") for n in range(3)]
    made[1].members.pop("face61.npy")
    corpus = write_corpus(tmp_path / "corpus", made, per_shard=3)
    run_export(str(corpus), "lhotse-shar", str(tmp_path / "out"), {"arrays": ["face61.npy"]})
    found = cuts(tmp_path / "out" / "train")
    assert {int(key[:16], 16): cut.has_custom("face61") for key, cut in found.items()} == {
        0: True,
        1: False,
        2: True,
    }


def test_native_sound_keeps_its_rate_and_channels(tmp_path: Path) -> None:
    made = talk(1, "train")
    rng = np.random.default_rng(1)
    native = rng.integers(-9000, 9000, (95_256, 2), dtype=np.int16)
    made.members["native.flac"] = flac(native, 44_100)
    corpus = write_corpus(tmp_path / "corpus", [made])
    run_export(str(corpus), "lhotse-shar", str(tmp_path / "out"), {"recording": "native.flac"})
    (cut,) = cuts(tmp_path / "out" / "train").values()
    assert cut.sampling_rate == 44_100
    assert np.array_equal(np.rint(cut.load_audio() * 32768).T, native)


def test_a_field_is_called_by_a_name_that_python_can_say(tmp_path: Path) -> None:
    made = talk(1, "train", n_frames=10, rates_hz={"main.mimi-untrained.npy": 12.5})
    codes = np.arange(80, dtype=np.int16).reshape(8, 10)
    made.members["main.mimi-untrained.npy"] = npy(codes)
    corpus = write_corpus(tmp_path / "corpus", [made])
    run_export(str(corpus), "lhotse-shar", str(tmp_path / "out"), {"arrays": ["main.mimi-untrained.npy"]})
    (cut,) = cuts(tmp_path / "out" / "train").values()
    assert np.array_equal(cut.load_main_mimi_untrained(), codes)
    assert cut.main_mimi_untrained.temporal_dim == 1


def test_an_array_that_does_not_run_with_time_fails(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", [talk(1, "train", rates_hz={"face61.npy": 25.0})])
    options = {"arrays": ["face61.npy"]}
    report = run_export(str(corpus), "lhotse-shar", str(tmp_path / "out"), options)
    assert report.reasons == {"wrong_length": 1}
    with pytest.raises(ExportError, match=r"lips\.mp4 are no NPY members"):
        run_export(str(corpus), "lhotse-shar", str(tmp_path / "other"), {"arrays": ["lips.mp4"]})


def test_the_tars_are_what_lhotse_s_own_writer_makes(talks: MadeCorpus, out: Path, tmp_path: Path) -> None:
    """Read with from_shar and written again with lhotse's SharWriter, the cuts say the same."""
    from lhotse.shar import SharWriter

    run_export(talks.path, "lhotse-shar", str(out), {"arrays": ["face61.npy"]})
    ours = cuts(out / "train")
    (tmp_path / "theirs").mkdir()
    with SharWriter(str(tmp_path / "theirs"), fields={"recording": "flac", "face61": "numpy"}) as writer:
        for cut in ours.values():
            cut.custom.pop("shard_origin")  # a path, which lhotse's reader adds and its writer cannot write
            writer.write(cut)
    for key, cut in cuts(tmp_path / "theirs").items():
        assert np.array_equal(cut.load_audio(), ours[key].load_audio())
        assert np.array_equal(cut.load_face61(), ours[key].load_face61())
        assert [one.to_dict() for one in cut.supervisions] == [
            one.to_dict() for one in ours[key].supervisions
        ]
    assert soundfile.info(io.BytesIO(ours[key].recording.sources[0].source)).samplerate == 16_000
