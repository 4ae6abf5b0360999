"""The audit's page in a real browser: from file://, with a mouse, a keyboard, a phone and a printer."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.alone  # playwright leaves an event loop running in its thread

OpenPage = Callable[..., Any]
SHOWN = "#examples tbody tr:not([hidden])"


def _calm(opened: Any) -> None:
    """No complaint, no script of the corpus, and nothing asked of a network."""
    assert opened.problems == []
    assert "owned" not in opened.page.title().replace('document.title="owned"', "")
    assert [url for url in opened.asked if not url.startswith(("file://", "data:"))] == []


def test_opens_from_a_file_and_says_the_verdict(opened: OpenPage) -> None:
    found = opened()
    assert found.page.inner_text(".verdict strong") == "Fails the policy “default”"
    assert found.page.inner_text("h1") == '<script>document.title="owned"</script>'
    assert found.page.locator("details.check").count() > 100
    assert (
        found.page.locator("details.check.fail[open]").count()
        == found.page.locator("details.check.fail").count()
    )
    _calm(found)


def test_nothing_of_the_corpus_becomes_markup(opened: OpenPage, report: Path) -> None:
    page = opened().page
    assert page.locator("img[src=x], svg[onload], body script:not(:last-child)").count() == 0
    texts = " ".join(page.locator("blockquote").all_text_contents())
    for text in (
        '<script>document.title="owned"</script>',
        "</script><img src=x",
        "<svg onload",
        "👩‍👩‍👧‍👦",
        "שלום",
    ):
        assert text in texts
    assert report.read_text().count("<script") == 1  # ours, by its hash


def test_the_table_filters_sorts_and_counts(opened: OpenPage) -> None:
    found = opened()
    page, every = found.page, found.page.locator("#examples tbody tr").count()
    page.select_option("#f-check", "sound_silent")
    assert page.locator(SHOWN).count() == 1  # one clip was made silent
    assert "0000000000000001-t00" in page.inner_text(SHOWN)
    assert page.inner_text("#f-count") == f"1 of {every}"
    page.select_option("#f-check", "")
    page.fill("#f-text", "lips.mp4 no-such-word")
    assert page.locator(SHOWN).count() == 0
    page.fill("#f-text", "LIPS.mp4")
    assert page.locator(SHOWN).count() == 1  # one video was made of text
    page.fill("#f-text", "")
    page.select_option("#f-check", "wer")
    page.check("input[value=extreme]")
    page.click("th[data-sort=value] button")
    values = [
        float(one) for one in page.locator(SHOWN).evaluate_all("rows => rows.map(row => row.dataset.value)")
    ]
    assert values == sorted(values)
    page.click("th[data-sort=value] button")
    again = page.locator(SHOWN).evaluate_all("rows => rows.map(row => +row.dataset.value)")
    assert again == sorted(values, reverse=True)
    assert page.get_attribute("th[data-sort=value]", "aria-sort") == "descending"
    _calm(found)


def test_a_sample_opens_and_its_clip_plays(opened: OpenPage) -> None:
    found = opened()
    page = found.page
    page.select_option("#f-check", "sound_silent")
    page.click(f"{SHOWN} a.open")
    video = page.locator("#viewer[open] video")
    video.evaluate("clip => clip.play()")
    page.wait_for_function("clip => clip.currentTime > 0.2", arg=video.element_handle())
    assert video.evaluate("clip => [clip.videoWidth, clip.error]") == [96, None]
    assert 2.1 < video.evaluate("clip => clip.duration") < 2.3  # 27 frames of 80 ms
    line = page.locator("#viewer .now")
    assert float(line.evaluate("now => parseFloat(now.style.left)")) > 5
    page.keyboard.press("Escape")
    assert page.locator("#viewer[open]").count() == 0
    assert page.locator("#samples article").count() == 8  # the sample is back in its place
    _calm(found)


def test_arrow_keys_walk_through_the_filtered_samples(opened: OpenPage) -> None:
    page = opened().page
    page.select_option("#f-check", "sample_licence")
    page.locator(f"{SHOWN} a.open").first.click()
    page.locator("#v-next").focus()
    seen = {page.inner_text("#viewer h4")}
    for _ in range(9):
        page.keyboard.press("ArrowRight")
        seen.add(page.inner_text("#viewer h4"))
    assert len(seen) == 10


def test_a_dialogue_plays_both_people_and_a_click_seeks(opened: OpenPage) -> None:
    found = opened()
    card = found.page.locator("#dialogues article").first
    assert card.locator(".lane.main .ipu").count() + card.locator(".lane.other .ipu").count() == 3
    assert card.locator(".fto").all_inner_texts() == ["+0.30", "-0.50"]
    assert card.locator(".curve").count() == 6
    tracks = card.locator(".tracks")
    tracks.click(position={"x": tracks.bounding_box()["width"] / 2, "y": 4})
    video = card.locator("video")
    found.page.wait_for_function(
        "clip => clip.readyState > 0 && Math.abs(clip.currentTime - 4) < 0.1", arg=video.element_handle()
    )
    size = video.evaluate("clip => [clip.videoWidth, clip.videoHeight]")
    assert size == [128, 64]  # side by side
    _calm(found)


def test_dark_mode_follows_the_system_and_the_button(opened: OpenPage) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light, dark = opened(), opened(scheme="dark")
    white, black = light.page.evaluate(background), dark.page.evaluate(background)
    assert white == "rgb(255, 255, 255)" and black != white
    light.page.click("#theme")
    dark.page.click("#theme")
    assert (light.page.evaluate(background), dark.page.evaluate(background)) == (black, white)
    assert light.page.get_attribute("#theme", "aria-pressed") == "true"
    _calm(light)


@pytest.mark.parametrize("width", [375, 768])
def test_no_sideways_scroll(opened: OpenPage, width: int) -> None:
    page = opened(width=width, height=800).page
    page.click("#unfold")
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_histograms_are_read_by_pointer_and_keyboard(opened: OpenPage) -> None:
    page = opened().page
    page.click("#check-clip_duration > summary")
    plot = page.locator("#check-clip_duration svg[data-bins]")
    plot.focus()
    read = []
    for _ in range(40):
        page.keyboard.press("ArrowRight")
        read.append(page.inner_text("#check-clip_duration figure output"))
    counts = {text: int(re.findall(r": (\d+) ", text)[0]) for text in read}
    assert sum(counts.values()) == 10  # every sample is in one bar
    table = page.locator("#check-clip_duration .data tbody td:last-child")
    assert sum(int(text) for text in table.all_text_contents()) == 10


def test_every_control_and_picture_has_a_name(opened: OpenPage) -> None:
    nameless = opened().page.evaluate(
        """() => [...document.querySelectorAll('button, a, input, select, video, audio, img, [tabindex]')]
        .filter(one => !(one.innerText || '').trim() && !one.textContent.trim() && !one.alt && !one.ariaLabel
            && !one.getAttribute('aria-labelledby') && !(one.labels && one.labels.length))
        .map(one => one.outerHTML.slice(0, 120))"""
    )
    assert nameless == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(opened: OpenPage, scheme: str) -> None:
    """WCAG 2.2 AA, 1.4.3: 4.5 to 1 between the text colours and what they stand on."""
    colours = opened(scheme=scheme).page.evaluate(
        """() => { const style = getComputedStyle(document.documentElement);
        const names = 'ink paper raised soft curve fail warn pass info fail-bg warn-bg pass-bg info-bg';
        const value = name => style.getPropertyValue('--' + name).trim();
        return Object.fromEntries(names.split(' ').map(name => [name, value(name)])); }"""
    )
    on_paper = [(name, ground) for name in ("ink", "soft", "curve", "fail") for ground in ("paper", "raised")]
    for text, ground in [*on_paper, *((one, f"{one}-bg") for one in ("fail", "warn", "pass", "info"))]:
        assert _contrast(colours[text], colours[ground]) >= 4.5, (scheme, text, ground)


def test_prints_with_the_findings_open(opened: OpenPage) -> None:
    page = opened(scheme="dark").page
    page.click("#check-coefficient_dead > summary")  # closed by hand
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF") and pdf.count(b"/Type /Page\n") > 2
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("#check-coefficient_dead[open]").count() == 1
    assert not page.locator("#filters").is_visible()


def _contrast(one: str, other: str) -> float:
    """Contrast ratio of two sRGB colours, as WCAG defines it."""

    def luminance(colour: str) -> float:
        digits = colour.removeprefix("#")
        digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
