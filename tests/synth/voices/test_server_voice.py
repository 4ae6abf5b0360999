"""Every request here goes over a real socket; what the server counted is the truth."""

from __future__ import annotations

import base64
import io
import json
import logging
import resource
import traceback
from typing import Any

import numpy as np
import pytest
import soundfile

from synth.voices.judging import Judges, Limits
from synth.voices.round_trip import Request, speak_checked
from synth.voices.server_voice import Server, ServerVoice
from synth.voices.voice import Fault, Reference, VoiceError, VoiceSetupError

from .conftest import KEY, Loopback, wav_of

TEXT = "Could you send me the address before lunch?"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPBACK_KEY", KEY)


def voice(loopback: Loopback, name: str = "well", **changes: Any) -> ServerVoice:
    fields = {"timeout_s": 5.0, "deadline_s": 20.0, "api_key_env": "LOOPBACK_KEY", **changes}
    return ServerVoice(Server(base_url=loopback.url, model="loopback-tts", **fields), name)


def fault_of(loopback: Loopback, name: str, **changes: Any) -> VoiceError:
    with pytest.raises(VoiceError) as caught:
        voice(loopback, name, **changes).speak(TEXT, seed=1)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    return caught.value


def test_speaks_what_the_server_says(loopback: Loopback) -> None:
    spoken = voice(loopback).speak(TEXT, seed=1, speed=1.1)
    expected, rate_hz = soundfile.read(io.BytesIO(wav_of(TEXT, 1.1)), dtype="float32")
    assert spoken.rate_hz == rate_hz == 24_000
    assert np.array_equal(spoken.pcm, expected)
    (asked,) = loopback.asked
    assert asked == {
        "model": "loopback-tts",
        "voice": "well",
        "input": TEXT,
        "speed": 1.1,
        "response_format": "wav",
    }
    assert loopback.headers[0]["authorization"] == f"Bearer {KEY}"


def test_says_how_and_in_whose_voice_where_the_server_takes_it(loopback: Loopback) -> None:
    clip = (0.5 * np.sin(np.arange(8000) / 9)).astype(np.float32)
    who = Reference("spk1", clip, 16_000, "hello there", consent="voice cloning", licence="CC0-1.0")
    speaks = voice(
        loopback,
        emotion_field="instructions",
        reference_audio_field="ref_audio",
        reference_text_field="ref_text",
        seed_field="seed",
        extra=(("task_type", "Base"),),
    )
    assert speaks.traits.seeded and speaks.traits.clones and speaks.traits.takes_emotion
    speaks.speak(TEXT, seed=77, emotion="Angry", reference=who)
    (asked,) = loopback.asked
    assert asked["seed"] == 77
    assert asked["instructions"] == "Speak with this emotion: angry."
    assert (asked["ref_text"], asked["task_type"]) == ("hello there", "Base")
    kind, _, data = asked["ref_audio"].partition(",")
    assert kind == "data:audio/wav;base64"
    sent, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="float32")
    assert rate_hz == 16_000
    assert np.abs(sent - clip).max() < 1 / 32_000


def test_a_clip_is_refused_where_the_server_would_not_listen_to_it(loopback: Loopback) -> None:
    who = Reference("spk1", np.zeros(8000, np.float32), 16_000, "hello", "voice cloning", "CC0-1.0")
    with pytest.raises(VoiceError, match="spk1") as caught:
        voice(loopback).speak(TEXT, seed=1, reference=who)
    assert caught.value.fault == Fault.CANNOT_CLONE
    assert not loopback.asked


def test_asks_again_while_the_server_is_busy(loopback: Loopback) -> None:
    assert len(voice(loopback, "recovers").speak(TEXT, seed=1).pcm)
    assert len(loopback.asked) == 3


@pytest.mark.parametrize(("status", "requests"), [(500, 3), (429, 3), (400, 1), (422, 1)])
def test_gives_up_after_so_many_requests(loopback: Loopback, status: int, requests: int) -> None:
    fault = fault_of(loopback, f"status_{status}", retries=2)
    assert fault.fault == Fault.SERVER_FAILED
    assert str(status) in fault.detail
    assert len(loopback.asked) == requests


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_every_text_would_meet_ends_the_run(
    loopback: Loopback, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    speaks = voice(loopback, f"status_{status}")
    with caplog.at_level(logging.DEBUG), pytest.raises(VoiceSetupError, match=str(status)) as caught:
        speaks.speak(TEXT, seed=1)
    assert len(loopback.asked) == 1
    assert loopback.headers[0]["authorization"].endswith(KEY)  # it was sent, and the server repeated it
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "[api key]" in told
    assert KEY not in told + repr(speaks) + repr(speaks.traits) + str(speaks)


def test_a_hanging_server_costs_its_time_and_no_more(loopback: Loopback, stopwatch: Any) -> None:
    fault = fault_of(loopback, "hangs", timeout_s=0.3, retries=1)
    assert fault.fault == Fault.SERVER_FAILED
    assert len(loopback.asked) == 2
    assert stopwatch() < 4


def test_a_dripping_server_meets_the_deadline(loopback: Loopback, stopwatch: Any) -> None:
    fault = fault_of(loopback, "drips", deadline_s=0.5)
    assert fault.fault == Fault.SERVER_FAILED
    assert stopwatch() < 4


def test_no_server_at_all(loopback: Loopback) -> None:
    gone = Server(base_url="http://127.0.0.1:9/v1", model="m", retries=1)
    with pytest.raises(VoiceError, match="no connection") as caught:
        ServerVoice(gone, "v").speak(TEXT, seed=1)
    assert caught.value.fault == Fault.SERVER_FAILED


def test_an_answer_that_breaks_off_is_asked_for_again(loopback: Loopback) -> None:
    assert np.array_equal(
        voice(loopback, "hangup").speak(TEXT, seed=1).pcm, voice(loopback).speak(TEXT, seed=1).pcm
    )
    assert loopback.times_asked("hangup") == 3
    assert fault_of(loopback, "cut", retries=1).fault == Fault.ANSWER_TRUNCATED
    assert loopback.times_asked("cut") == 2


def test_a_header_without_a_length_is_read_to_the_end(loopback: Loopback) -> None:
    assert np.array_equal(
        voice(loopback, "streams").speak(TEXT, seed=1).pcm, voice(loopback).speak(TEXT, seed=1).pcm
    )


def test_what_is_not_sound(loopback: Loopback) -> None:
    told = fault_of(loopback, "json")
    assert told.fault == Fault.ANSWER_NOT_AUDIO
    assert "application/json" in told.detail and "[api key]" in told.detail
    assert fault_of(loopback, "garbage").fault == Fault.ANSWER_NOT_AUDIO
    assert len(loopback.asked) == 2


def test_another_rate_than_expected(loopback: Loopback) -> None:
    assert voice(loopback, "rate_16000").speak(TEXT, seed=1).rate_hz == 16_000
    fault = fault_of(loopback, "rate_16000", rate_hz=24_000)
    assert fault.fault == Fault.WRONG_RATE
    assert "16000" in fault.detail and "24000" in fault.detail


def test_a_hundred_megabytes_are_not_read(loopback: Loopback) -> None:
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fault = fault_of(loopback, "huge_100", max_bytes=4 << 20)
    assert fault.fault == Fault.ANSWER_TOO_LARGE
    assert loopback.bytes_sent < 32 << 20  # what sockets buffer
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 64 << 10
    assert len(loopback.asked) == 1


def test_silence_is_tried_again_and_then_told(loopback: Loopback) -> None:
    found = speak_checked(
        voice(loopback, "silent", seed_field="seed"), Request(key="k", text=TEXT), Judges(), Limits(tries=3)
    )
    assert found.fault == Fault.SPEECH_SILENT
    assert found.speech is None
    assert found.row["tries_faults"] == [["speech_silent"]] * 3
    assert len({asked["seed"] for asked in loopback.asked}) == 3
    assert KEY not in json.dumps(found.row)


def test_a_server_that_takes_no_seed_is_asked_for_another_pace(loopback: Loopback) -> None:
    speaks = voice(loopback, "silent")
    assert not speaks.traits.seeded
    found = speak_checked(speaks, Request(key="k", text=TEXT), Judges(), Limits(tries=2))
    assert [asked["speed"] for asked in loopback.asked] == [1.0, 0.95]
    assert found.row["speed"] == 0.95


def test_the_key_comes_from_a_named_variable_and_from_nowhere_else(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another")
    voice(loopback, api_key_env=None).speak(TEXT, seed=1)
    assert "sk-another" not in str(loopback.headers)
    monkeypatch.delenv("LOOPBACK_KEY")
    with pytest.raises(VoiceSetupError, match="LOOPBACK_KEY"):
        voice(loopback)


@pytest.mark.parametrize(
    "url", ["http://me:secret@host/v1", "http://host/v1?key=secret", "host/v1", "ftp://h"]
)
def test_an_address_with_a_secret_in_it_is_refused(url: str) -> None:
    with pytest.raises(VoiceSetupError) as caught:
        Server(base_url=url, model="m")
    assert "secret" not in str(caught.value)
