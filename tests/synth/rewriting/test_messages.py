"""Messages with sounds and pictures: what is sent, what is kept, and what a budget sets aside."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from manifests.ids import digest
from synth.llm.budget import Tokens
from synth.llm.cache import Cache
from synth.llm.chat import Reply, Request
from synth.llm.messages import Media

SOUND = Media("wav", b"RIFF....WAVE", most_tokens=300)
PICTURE = Media("jpeg", b"\xff\xd8\xff", most_tokens=4000)


def request(*media: Media, origin: str | None = None) -> Request:
    messages = (("system", "Describe."), ("user", ("Here it is.", *media)))
    return Request("m", messages, {"max_tokens": 50}, origin)


def test_parts_are_those_of_the_protocol() -> None:
    user = request(SOUND, PICTURE).body["messages"][1]
    text, sound, picture = user["content"]
    assert text == {"type": "text", "text": "Here it is."}
    assert sound["type"] == "input_audio" and sound["input_audio"]["format"] == "wav"
    assert base64.b64decode(sound["input_audio"]["data"]) == SOUND.data
    assert picture["image_url"]["url"] == "data:image/jpeg;base64," + base64.b64encode(PICTURE.data).decode()


def test_a_text_keeps_the_key_it_always_had() -> None:
    """Answers that were paid for before messages could hold more than text stay good."""
    messages = (("system", "Answer."), ("user", "What?"))
    one = Request("m", messages, {"temperature": 0.7})
    assert one.key == digest("llm", 1, "m", messages, {"temperature": 0.7}, length=32)
    assert one.body == one.record
    assert not one.has_media and request(SOUND).has_media


def test_the_key_covers_the_bytes_and_the_cache_has_their_digest_alone(store) -> None:
    other = Media("wav", b"RIFF....wave", most_tokens=300)
    keys = {request(SOUND).key, request(other).key, request(SOUND, PICTURE).key, request(PICTURE, SOUND).key}
    assert len(keys) == 4 and request(SOUND).key == request(Media("wav", SOUND.data, 1)).key
    reply = Reply(text="A dog barks.", prompt_tokens=7, completion_tokens=5)
    Cache(store).put(request(SOUND, origin="0123456789abcdef"), reply)
    assert Cache(store).get(request(SOUND)) == reply and Cache(store).get(request(other)) is None
    assert Cache(store).spent() == Tokens(7, 5)
    (path,) = Path(store.root, "llm").rglob("*.json")
    kept = json.loads(path.read_bytes())
    part = kept["request"]["messages"][1]["content"][1]
    assert part == {"media": "wav", "sha256": hashlib.sha256(SOUND.data).hexdigest()}
    assert kept["origin"] == "0123456789abcdef"  # whose it is, so that it can be forgotten


def test_a_budget_sets_aside_what_media_may_cost() -> None:
    bare = request().max_tokens
    assert request(SOUND, PICTURE).max_tokens == (bare[0] + 4300, 50)
