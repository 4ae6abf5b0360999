"""What each member of a sample is, in a few words; docs/format.md says it at length, and a test compares."""

from __future__ import annotations

from dataclasses import dataclass

JSON, NPY, FLAC, MP4 = "application/json", "application/x-npy", "audio/flac", "video/mp4"
PNG, TEXT = "image/png", "text/plain"
_TYPES = {"json": JSON, "npy": NPY, "flac": FLAC, "mp4": MP4, "png": PNG, "txt": TEXT}


@dataclass(frozen=True)
class MemberFacts:
    """Content, dtype and shape (n: frames of 80 ms), unit."""

    content: str
    form: str
    unit: str = ""


_CODES = "codec tokens; of `-untrained` ones the codes mean nothing"
MEMBERS: dict[str, MemberFacts] = {
    "json": MemberFacts("everything about the sample", "UTF-8 JSON"),
    "turns.json": MemberFacts("words, turns and events of both people", "UTF-8 JSON", "rational seconds"),
    "flac": MemberFacts("mono mix at 16 kHz", "16-bit FLAC", "full scale = 1.0"),
    "native.flac": MemberFacts("source rate and channels", "16-bit FLAC", "full scale = 1.0"),
    "lips.mp4": MemberFacts("lip ROI, 96×96, 25 fps, aligned", "H.264, grey in Y", "grey level"),
    "lips_interpolated.npy": MemberFacts("frames with interpolated landmarks", "bool (2n,)"),
    "face.mp4": MemberFacts("face crop, 25 fps", "H.264 RGB"),
    "livelink61.npy": MemberFacts("Live Link Face channels", "float32 (2n, 61)", "0–1; radians"),
    "livelink61_valid.npy": MemberFacts("frames that were measured", "bool (2n,)"),
    "group_valid.npy": MemberFacts("trust in each group of channels", "bool (2n, 7)"),
    "trust.npy": MemberFacts("what was measured of each frame", "float32 (2n, 13)"),
    "exclusion.npy": MemberFacts("frames a talking-head model should skip", "bool (2n,)"),
    "reference.png": MemberFacts("portrait of the same person", "PNG 512×512"),
    "reference_blur05.png": MemberFacts("the portrait, blurred by 0.5 px", "PNG"),
    "reference_blur1.png": MemberFacts("the portrait, blurred by 1 px", "PNG"),
    "reference_blur2.png": MemberFacts("the portrait, blurred by 2 px", "PNG"),
    "reference_turned30.png": MemberFacts("the portrait, turned by 30°", "PNG"),
    "reference_profile.png": MemberFacts("the person turned away", "PNG"),
    "arkit52.npy": MemberFacts("52 blendshapes (MediaPipe's order)", "float32 (2n, 52)", "0–1"),
    "arkit52_valid.npy": MemberFacts("frames that were measured", "bool (2n,)"),
    "face61.npy": MemberFacts(
        "52 blendshapes, 6-D head rotation, 3 translation", "float32 (n, 61)", "0–1; unit vectors; cm"
    ),
    "face61_valid.npy": MemberFacts("frames that were measured", "bool (n,)"),
    "mimi.npy": MemberFacts(_CODES, "int16 (8, n)", "0–2047"),
    "dac16x25.npy": MemberFacts(_CODES, "int16 (16, 2n)", "0–1023"),
    "dac16.npy": MemberFacts(_CODES, "int16 (codebooks, frames)", "0–1023"),
    "dac24.npy": MemberFacts(_CODES, "int16 (codebooks, frames)", "0–1023"),
    "dac44.npy": MemberFacts(_CODES, "int16 (codebooks, frames)", "0–1023"),
    "lyra.npy": MemberFacts(_CODES, "int16 (46, 4n)", "0–15"),
    "fbank104.npy": MemberFacts("AV-HuBERT's log filterbank", "float32 (2n, 104)", "natural log of energy"),
    "units.npy": MemberFacts("semantic units (k-means)", "int32 (frames,)"),
    "txt": MemberFacts("a piece of a document of text alone", "UTF-8 text"),
    "units.txt": MemberFacts("semantic, pitch and style units", "text"),
    "hyps_asr.json": MemberFacts("N-best of the recogniser", "UTF-8 JSON"),
    "hyps_vsr.json": MemberFacts("N-best of the lip reader", "UTF-8 JSON"),
}
SIDES = {"main.": "of the main speaker: ", "other.": "of the other speaker: "}


def member_facts(extension: str) -> MemberFacts:
    """Facts of a member, also of one side's, or of one that an extractor of the user's made."""
    for side, whose in SIDES.items():
        if extension.startswith(side):
            own = member_facts(extension.removeprefix(side))
            return MemberFacts(whose + own.content, own.form, own.unit)
    plain = extension.replace("-untrained", "")
    return MEMBERS.get(plain, MemberFacts("see KEY.json and docs/format.md", plain.rpartition(".")[2]))


def media_type(extension: str) -> str:
    """MIME type by the last part of the name."""
    return _TYPES.get(extension.rpartition(".")[2], "application/octet-stream")
