"""`duologue inspect KEY --html`: the page asks the network for nothing and shows what the shard holds."""

from __future__ import annotations

import base64
import io
import json
import shutil
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from shifted_media import HIDDEN, LATE_START_S, Shifted
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.overlay import COLOURS, SeenFace, draw_face
from pipelines.sample_page import page, write_page

pytestmark = pytest.mark.parametrize("shifted", ["unbounded"], indirect=True)
"""The clip of the source `late`: its time line does not begin at 0, and its face is hidden for six frames."""


class Page(HTMLParser):
    """Attributes and text of a page, by element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: dict[str, str] = {}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._open = tag

    def handle_data(self, data: str) -> None:
        self.text[self._open] = self.text.get(self._open, "") + data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def curves(self) -> dict[str, list[Any]]:
        """What the read-outs show, by the name of the curve."""
        found = {}
        for svg in self.all("svg"):
            found[svg["aria-label"].partition(" over time")[0]] = json.loads(svg["data-values"])
        return found

    def video(self) -> bytes:
        (video,) = self.all("video")
        return base64.b64decode(video["src"].removeprefix("data:video/mp4;base64,"), validate=True)


@pytest.fixture
def made(shifted: Shifted, tmp_path: Path) -> Page:
    return Page(write_page(shifted.url, shifted.keys["late"], tmp_path / "page.html").read_text())


def arrays(shifted: Shifted) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    members = shifted.sample("late")
    loaded = {name: np.load(io.BytesIO(data)) for name, data in members.items() if name.endswith("npy")}
    return json.loads(members["json"]), loaded


def column(header: dict[str, Any], loaded: dict[str, NDArray[Any]], name: str, channel: str) -> NDArray[Any]:
    return loaded[name][:, header["channels"][name].index(channel)].astype(np.float64)


def same(shown: list[float | None], values: NDArray[Any]) -> bool:
    """Shown to three decimals, and nothing where there is nothing."""
    numbers = np.array([np.nan if one is None else one for one in shown])
    return len(numbers) == len(values) and np.allclose(numbers, values, atol=6e-4, equal_nan=True)


def test_the_page_needs_nothing_else(made: Page) -> None:
    for tag, attributes in made.elements:
        assert tag not in ("link", "iframe", "object", "embed", "img", "base", "a")
        for name in ("src", "href", "poster", "data", "srcset", "xlink:href"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, name)
    for code in (made.text["style"], made.text["script"]):
        assert not any(word in code for word in ("//", "url(", "@import", "fetch(", "import(", "XMLHttp"))
    (policy,) = [one["content"] for one in made.all("meta") if "http-equiv" in one]
    assert "default-src 'none'" in policy and "http" not in policy


def test_the_video_is_the_clip_with_its_sound(made: Page, shifted: Shifted) -> None:
    header, _ = arrays(shifted)
    with av.open(io.BytesIO(made.video())) as container:
        times = [Fraction(frame.pts) * frame.time_base for frame in container.decode(video=0)]
    assert times == [Fraction(tick, 25) for tick in range(round(header["duration_s"] * 25))]
    with av.open(io.BytesIO(made.video())) as container:
        heard = sum(frame.samples for frame in container.decode(audio=0)) / 16_000
    assert heard == pytest.approx(header["duration_s"], abs=2 * 1024 / 16_000)  # whole frames of AAC


def pictures(video: Any) -> list[NDArray[Any]]:
    with av.open(video) as container:
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]


def test_faces_are_drawn_where_they_were_seen_in_the_colour_of_what_they_do(
    made: Page, shifted: Shifted, shifted_media: Path
) -> None:
    header, loaded = arrays(shifted)
    speaking = column(header, loaded, "trust.npy", "speaking") > 0
    assert speaking.any() and not speaking.all()
    first = round((Fraction(header["source"]["start"]) - LATE_START_S) * 25)
    plain = pictures(str(shifted_media / "late.mkv"))[first:]
    for number, (drawn, source) in enumerate(zip(pictures(io.BytesIO(made.video())), plain, strict=False)):
        new = np.abs(drawn - source).max(axis=2) > 60
        like = {says: (new & (np.abs(drawn - COLOURS[says]).max(axis=2) < 40)).sum() for says in COLOURS}
        if number + first in HIDDEN:
            assert new.sum() < 50, number
        else:
            assert max(like, key=lambda says: like[says]) == speaking[number], (number, like)
            assert like[bool(speaking[number])] > 500, (number, like)


def test_curves_are_the_arrays_of_the_shard(made: Page, shifted: Shifted) -> None:
    header, loaded = arrays(shifted)
    curves = made.curves()
    valid = loaded["arkit52_valid.npy"]
    assert not valid.all()
    for name in ("jawOpen", "eyeBlinkLeft", "browInnerUp"):
        values = np.where(valid, column(header, loaded, "arkit52.npy", name), np.nan)
        assert same(curves[name], values), name
    for name, channel in (
        ("speaking score", "speaking"),
        ("mouth occlusion", "mouth_occlusion"),
        ("jitter", "jitter"),
        ("sharpness", "sharpness"),
    ):
        assert same(curves[name], column(header, loaded, "trust.npy", channel)), name
    face61 = loaded["face61.npy"].astype(np.float64)
    one, two = face61[:, 52:55], face61[:, 55:58]
    three = np.cross(one, two)
    angles = {
        "head yaw": np.arctan2(-one[:, 2], three[:, 2]),
        "head pitch": np.arcsin(two[:, 2]),
        "head roll": np.arctan2(-two[:, 0], two[:, 1]),
    }
    for name, angle in angles.items():
        assert same(curves[name], np.where(loaded["face61_valid.npy"], np.degrees(angle), np.nan)), name
    for name in header["channels"]["group_valid.npy"]:
        flags = column(header, loaded, "group_valid.npy", name) > 0
        assert curves[name.replace("_", " ")] == ["yes" if flag else "no" for flag in flags], name
    assert len(curves["level"]) == round(header["duration_s"] * 50)


def test_a_curve_is_drawn_at_its_time_and_height(made: Page, shifted: Shifted) -> None:
    header, loaded = arrays(shifted)
    (svg,) = [one for one in made.all("svg") if one["aria-label"].startswith("jawOpen")]
    assert float(svg["viewbox"].split()[2]) == header["duration_s"]
    after = made.elements[made.elements.index(("svg", svg)) + 1 :]
    stop = next(number for number, (tag, _) in enumerate(after) if tag == "svg")
    lines = [one["points"] for tag, one in after[:stop] if tag == "polyline"]
    bad = [one for tag, one in after[:stop] if tag == "rect"]
    points = np.array([[float(part) for part in pair.split(",")] for pair in " ".join(lines).split()])
    valid = loaded["arkit52_valid.npy"]
    at = np.flatnonzero(valid)
    assert points[:, 0] == pytest.approx((at + 0.5) / 25, abs=1e-3)
    assert points[:, 1] == pytest.approx(
        0.96 - 0.92 * column(header, loaded, "arkit52.npy", "jawOpen")[at], abs=1e-3
    )
    assert sum(float(one["width"]) for one in bad) == pytest.approx((~valid).sum() / 25, abs=1e-3)
    assert float(bad[0]["x"]) == pytest.approx(np.flatnonzero(~valid)[0] / 25, abs=1e-3)


def test_same_sample_same_page(shifted: Shifted, tmp_path: Path) -> None:
    one, two = (write_page(shifted.url, shifted.keys["late"], tmp_path / name) for name in ("a", "b/c.html"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(("key", "says"), [("nosuch", "no sample whose key"), ("", "4 samples whose key")])
def test_a_key_that_names_no_sample_is_an_error(
    shifted: Shifted, tmp_path: Path, key: str, says: str
) -> None:
    out = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["inspect", shifted.url, key, "--html", str(out)])
    assert done.exit_code == 2 and says in done.stderr and shifted.keys["late"] in done.stderr
    assert not out.exists()


def test_without_its_source_the_sample_shows_its_face_crop(shifted: Shifted, tmp_path: Path) -> None:
    """Gone or changed: pictures of something else must not stand above these curves."""
    corpus, media = tmp_path / "corpus", tmp_path / "media"
    shutil.copytree(shifted.url, corpus)
    settings = (corpus / "duologue.yaml").read_text()
    (line,) = [one for one in settings.splitlines() if one.startswith("source_root:")]
    (corpus / "duologue.yaml").write_text(settings.replace(line, f"source_root: {media}"))
    gone = Page(write_page(str(corpus), shifted.keys["late"], tmp_path / "gone.html").read_text())
    media.mkdir()
    (media / "late.mkv").write_bytes(b"another")
    changed = Page(write_page(str(corpus), shifted.keys["late"], tmp_path / "changed.html").read_text())
    for one in (gone, changed):
        assert one.video() == shifted.sample("late")["face.mp4"]
        assert "face crop" in one.text["small"]


def test_a_sample_without_picture_has_its_sound(shifted: Shifted) -> None:
    members = {name: data for name, data in shifted.sample("late").items() if name in ("json", "flac")}
    only = Page(page("one", members, None))
    assert not only.all("video") and list(only.curves()) == ["level"]


def test_labels_cannot_break_the_page(shifted: Shifted) -> None:
    members = shifted.sample("late")
    header = json.loads(members["json"]) | {"text": "</pre><script>alert(1)</script>", "speaker": '"><b>'}
    one = Page(page('"<i>', {"json": json.dumps(header).encode()}, None))
    assert len(one.all("script")) == 1 and not one.all("b") and not one.all("i")
    assert header["text"] in one.text["td"]


@pytest.mark.parametrize("corner", [(-30.0, -20.0), (90.0, 50.0)])
@pytest.mark.usefixtures("shifted")
def test_a_face_half_outside_the_picture_is_drawn_all_the_same(corner: tuple[float, float]) -> None:
    picture = np.zeros((60, 100, 3), np.uint8)
    box = np.array([*corner, corner[0] + 60, corner[1] + 60])
    face = SeenFace(3, box, np.full((478, 3), 10.0), None)
    draw_face(picture, face, 1.0, followed=True)
    plate = (np.abs(picture.astype(int) - COLOURS[None]).max(axis=2) < 10).sum()
    assert plate > 300, "its label stands inside"
