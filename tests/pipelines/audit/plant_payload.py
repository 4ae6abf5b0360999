"""Defects inside samples: sound, pictures, coefficients, tokens, text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from plant import (
    Defect,
    Members,
    edit_array,
    edit_header,
    edit_samples,
    edit_sound,
    edit_video,
    read_shard,
    shifted,
    train_shard,
)


def _silent(corpus: Path, strength: int) -> None:
    share = (0.5, 0.95, 1.0)[strength - 1]
    edit_sound(corpus, lambda pcm, _: np.where(np.arange(len(pcm))[:, None] < share * len(pcm), 0, pcm))


def _dead_channel(corpus: Path, strength: int) -> None:
    gain = (10**-1.5, 10**-3.5, 0.0)[strength - 1]
    edit_sound(corpus, lambda pcm, _: pcm * np.array([1.0] + [gain] * (pcm.shape[1] - 1)), ("native.flac",))


def _clipped(corpus: Path, strength: int) -> None:
    share = (0.0003, 0.005, 0.1)[strength - 1]

    def clip(pcm: np.ndarray, _: int) -> np.ndarray:
        return np.clip(pcm / np.quantile(np.abs(pcm), 1 - share), -1, 1) * 0.9

    edit_sound(corpus, clip)


def _dc(corpus: Path, strength: int) -> None:
    edit_sound(corpus, lambda pcm, _: pcm * 0.7 + (0.005, 0.02, 0.1)[strength - 1])


def _gap(corpus: Path, strength: int) -> None:
    def cut(pcm: np.ndarray, rate: int) -> np.ndarray:
        pcm = pcm.copy()
        pcm[rate // 2 : rate // 2 + round((0.04, 0.15, 0.6)[strength - 1] * rate)] = 0
        return pcm

    edit_sound(corpus, cut)


def _one_shifted(corpus: Path, strength: int) -> None:
    edit_sound(
        corpus, lambda pcm, rate: shifted(pcm, round((0.002, 0.01, 0.1)[strength - 1] * rate)), ("flac",)
    )


def _foreign(corpus: Path, strength: int) -> None:
    """Another sample's sound mixed into `flac` 10 dB below, at the same level, or in its place."""
    samples = read_shard(train_shard(corpus))
    other = samples[sorted(samples)[-1]]["flac"]

    def replace(pcm: np.ndarray, _: int) -> np.ndarray:
        import io

        import soundfile

        found, _ = soundfile.read(io.BytesIO(other), always_2d=True)
        found = np.resize(found, pcm.shape)
        keep, add = ((1.0, 0.316), (1.0, 1.0), (0.0, 1.0))[strength - 1]
        return 0.5 * (keep * pcm + add * found * pcm.std() / found.std())

    edit_sound(corpus, replace, ("flac",))


def _av_shifted(corpus: Path, strength: int) -> None:
    edit_sound(corpus, lambda pcm, rate: shifted(pcm, round((0.04, 0.12, 0.4)[strength - 1] * rate)))


def _frozen(corpus: Path, strength: int) -> None:
    n = (8, 20, 1000)[strength - 1]
    edit_video(
        corpus,
        "face.mp4",
        lambda frames: [*frames[:-n], *[frames[max(0, len(frames) - n)]] * min(n, len(frames))],
    )


def _black(corpus: Path, strength: int) -> None:
    n = (1, 5, 1000)[strength - 1]
    edit_video(corpus, "lips.mp4", lambda frames: [frame * (at >= n) for at, frame in enumerate(frames)])


def _frames_lost(corpus: Path, strength: int) -> None:
    edit_video(corpus, "lips.mp4", lambda frames: frames[: -(1, 3, 20)[strength - 1]])


def _nan(corpus: Path, strength: int) -> None:
    def spoil(array: np.ndarray) -> np.ndarray:
        array.reshape(-1)[: (1, array.shape[1], array.size)[strength - 1]] = np.nan
        return array

    edit_array(corpus, "face61.npy", spoil)


def _constant(corpus: Path, strength: int) -> None:
    def freeze(array: np.ndarray) -> np.ndarray:
        if strength == 1:
            array[:, 25] = array[0, 25] + 1e-4 * np.sin(np.arange(len(array)))
        array[:, 25 : (25, 26, 52)[strength - 1]] = array[:1, 25 : (25, 26, 52)[strength - 1]]
        return array

    edit_array(corpus, "arkit52.npy", freeze)


def _range(corpus: Path, strength: int) -> None:
    edit_array(corpus, "arkit52.npy", lambda array: array - np.float32((0.0005, 0.02, 1.0)[strength - 1]))


def _rotation(corpus: Path, strength: int) -> None:
    def scale(array: np.ndarray) -> np.ndarray:
        array[:, 52:58] *= (1.02, 1.2, 3.0)[strength - 1]
        return array

    edit_array(corpus, "face61.npy", scale)


def _dead_blendshape(corpus: Path, strength: int) -> None:
    def still(array: np.ndarray) -> np.ndarray:
        n = (len(array) // 2, len(array) - 1, len(array))[strength - 1]
        array[:n, 25] = 0.25
        return array

    edit_array(corpus, "arkit52.npy", still, every=True)


def tokens_of(corpus: Path) -> str:
    samples = read_shard(train_shard(corpus))
    return sorted(json.loads(next(iter(samples.values()))["json"])["tokens"])[0]


def _size(corpus: Path) -> int:
    samples = read_shard(train_shard(corpus))
    return int(json.loads(next(iter(samples.values()))["json"])["tokens"][tokens_of(corpus)]["codebook_size"])


def _tokens_short(corpus: Path, strength: int) -> None:
    edit_array(corpus, tokens_of(corpus), lambda codes: codes[:, : -(1, 3, 10)[strength - 1]])


def _tokens_off(corpus: Path, strength: int) -> None:
    """Codes from 1 instead of 0; codes of a larger codebook; all of them beyond."""
    size = _size(corpus)
    edit_array(corpus, tokens_of(corpus), lambda codes: codes + np.int16((1, size // 2, size)[strength - 1]))


def _tokens_constant(corpus: Path, strength: int) -> None:
    def still(codes: np.ndarray) -> np.ndarray:
        codes[:, : round((0.5, 0.95, 1.0)[strength - 1] * codes.shape[1])] = 7
        return codes

    edit_array(corpus, tokens_of(corpus), still)


def _tokens_dead(corpus: Path, strength: int) -> None:
    def still(codes: np.ndarray) -> np.ndarray:
        n = (codes.shape[1] // 2, codes.shape[1] - 1, codes.shape[1])[strength - 1]
        codes[3, :n] = 5
        return codes

    edit_array(corpus, tokens_of(corpus), still, every=True)


def _charset(corpus: Path, strength: int) -> None:
    def spoil(header: dict[str, Any]) -> None:
        text = header.get("text") or "bin blue at f two now"
        header["text"] = (text.replace("e", "\u0435", 1), text + " caf\u00c3\u00a9", "\ufffd" * len(text))[
            strength - 1
        ]

    edit_header(corpus, spoil)


def _text_long(corpus: Path, strength: int) -> None:
    edit_header(corpus, lambda header: header.update(text=(header["text"] + " ") * (2, 4, 20)[strength - 1]))


def _words_late(corpus: Path, strength: int) -> None:
    late = (0.1, 0.6, 3.0)[strength - 1]

    def move(header: dict[str, Any]) -> None:
        header["words"] = [[word, start + late, stop + late] for word, start, stop in header["words"]]

    edit_header(corpus, move)


def _truncated_member(corpus: Path, strength: int) -> None:
    def cut(_: str, members: Members) -> None:
        data = members["native.flac"]
        members["native.flac"] = data[: round(len(data) * (0.99, 0.5, 0.0)[strength - 1])]

    edit_samples(corpus, cut)


def _lips_shifted(corpus: Path, strength: int) -> None:
    """The coefficients come later than the sound, in every sample."""
    n = (2, 5, 10)[strength - 1]
    edit_array(corpus, "arkit52.npy", lambda array: np.roll(array, n, axis=0), every=True)


def _misheard(corpus: Path, strength: int) -> None:
    """The recogniser's best hypothesis has other words than the text: 1 of 6, 4 of 6, none right."""

    def spoil(_: str, members: Members) -> None:
        words = str(json.loads(members["json"])["text"]).split()
        n_wrong = (len(words) // 6, 2 * len(words) // 3, len(words))[strength - 1]
        heard = [*["rhubarb"] * n_wrong, *words[n_wrong:]]
        members["hyps_asr.json"] = json.dumps([{"text": " ".join(heard), "score": -0.1}]).encode()

    edit_samples(corpus, spoil)


PAYLOAD: tuple[Defect, ...] = (
    Defect("silent audio", "sound_silent", ("half of it", "95 %", "all"), _silent),
    Defect("dead channel", "sound_dead_channel", ("-30 dB", "-70 dB", "zero"), _dead_channel),
    Defect("clipping", "sound_clipped", ("0.03 % of samples", "0.5 %", "10 %"), _clipped),
    Defect("DC offset", "sound_dc", ("0.005", "0.02", "0.1 of full scale"), _dc),
    Defect("dropped samples", "sound_gap", ("40 ms zero", "150 ms", "600 ms"), _gap),
    Defect("one member shifted", "sound_members_agree", ("2 ms", "10 ms", "100 ms"), _one_shifted),
    Defect("foreign sound", "sound_likeness", ("10 dB below", "as loud", "in its place"), _foreign),
    Defect("sound shifted against the rest", "fbank_delay", ("40 ms", "120 ms", "400 ms"), _av_shifted),
    Defect(
        "coefficients shifted against the sound", "lips_delay", ("80 ms", "200 ms", "400 ms"), _lips_shifted
    ),
    Defect("frozen video", "picture_frozen", ("0.32 s", "0.8 s", "all"), _frozen),
    Defect("black crop", "picture_black", ("1 frame", "5 frames", "all"), _black),
    Defect("wrong frame count", "frame_counts", ("1 frame", "3 frames", "20 frames"), _frames_lost),
    Defect("NaN coefficients", "coefficient_nan", ("1 value", "1 frame", "all"), _nan),
    Defect(
        "constant blendshape",
        "coefficient_constant",
        ("moves by 1e-4", "1 channel", "27 channels"),
        _constant,
    ),
    Defect("blendshapes out of range", "coefficient_range", ("-0.0005", "-0.02", "-1"), _range),
    Defect("rotation no rotation", "rotation_unit", ("x 1.02", "x 1.2", "x 3"), _rotation),
    Defect(
        "dead blendshape",
        "coefficient_dead",
        ("half of each sample", "all but 1 frame", "everywhere"),
        _dead_blendshape,
    ),
    Defect("tokens short", "frame_counts", ("1 frame", "3 frames", "10 frames"), _tokens_short),
    Defect("off-by-one tokens", "tokens_range", ("+1", "+ half the size", "+ the size"), _tokens_off),
    Defect("constant tokens", "tokens_constant", ("half", "95 %", "all"), _tokens_constant),
    Defect(
        "dead codebook", "tokens_dead", ("half of each sample", "all but 1 frame", "everywhere"), _tokens_dead
    ),
    Defect(
        "text charset", "text_charset", ("1 Cyrillic letter", "mojibake", "replacement characters"), _charset
    ),
    Defect("text of another clip", "text_rate", ("x 2", "x 4", "x 20"), _text_long),
    Defect("words late", "words_placed", ("0.1 s", "0.6 s", "3 s"), _words_late),
    Defect("hypothesis of another clip", "wer", ("1 word of 6", "4 of 6", "all"), _misheard),
    Defect("truncated member", "member_readable", ("1 % gone", "half", "all"), _truncated_member),
)
