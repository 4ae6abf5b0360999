from __future__ import annotations

import pytest

from synth.llm.prompt_files import PACKAGED, PromptError, load_prompt

PUBLISHED = {
    "avlm_avsr": (1, "a51ed0191db08ada"),
    "avlm_forced_emotion": (1, "111986dc957dda99"),
    "avlm_in_context": (1, "72151fb08a0bc050"),
    "avlm_zero_shot": (1, "9c153ef41f7e1f1e"),
    "backchannels": (1, "1be0c5ff6976690f"),
    "caption": (1, "b6b69b638cb77238"),
    "continue": (1, "904994c6f2a6a3d9"),
    "respond": (1, "0af7a8ba6f938112"),
    "style": (1, "2390dbb093bbcbeb"),
}
"""Name to (version, hash). A changed wording is a new version: raise it, then write the new hash here."""


def test_a_changed_prompt_has_a_new_version() -> None:
    found = {path.stem: load_prompt(path.stem) for path in PACKAGED.glob("*.yaml")}
    assert {name: (one.version, one.sha) for name, one in found.items()} == PUBLISHED


def test_places_are_filled_once_and_never_read_again() -> None:
    places = {
        "language": "en", "history": "Anna: it costs $example", "speaker": "Ben", "gender": "male",
        "emotion": "Sad", "example": "Oh no. $history {x} %s",
    }  # fmt: skip
    (_, _), (role, user) = load_prompt("respond").messages(places)
    assert role == "user"
    assert "Anna: it costs $example" in user and "Short line: Oh no. $history {x} %s" in user


def test_a_place_that_nobody_fills_is_told() -> None:
    with pytest.raises(PromptError, match="respond: no place 'history'"):
        load_prompt("respond").messages({"language": "en"})


GOOD = "name: respond\nversion: 3\nsource: mine\nsystem: Speak.\nuser: $example\n"


def test_a_users_prompt_replaces_the_packaged_one(tmp_path) -> None:
    (tmp_path / "respond.yaml").write_text(GOOD)
    own = load_prompt("respond", tmp_path)
    assert own.version == 3 and own.messages({"example": "Oh."}) == [("system", "Speak."), ("user", "Oh.")]
    assert own.sha != load_prompt("respond").sha
    assert load_prompt("style", tmp_path) == load_prompt("style")
    (tmp_path / "respond.yaml").write_text(GOOD.replace("mine", "somebody else"))
    assert load_prompt("respond", tmp_path).sha == own.sha  # the words decide


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "respond.yaml"),
        (GOOD.replace("respond", "style"), "its name is 'style'"),
        (GOOD.replace("version: 3\n", ""), "version: Field required"),
        (GOOD.replace("Speak.", "It costs 5 $."), "begins no place"),
        (GOOD + "extra: 1\n", "extra"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, message) -> None:
    (tmp_path / "respond.yaml").write_text(text)
    with pytest.raises(PromptError, match=message):
        load_prompt("respond", tmp_path)


def test_a_prompt_that_is_not_there() -> None:
    with pytest.raises(PromptError, match="no_such"):
        load_prompt("no_such")
