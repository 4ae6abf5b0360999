"""A voice behind `/v1/audio/speech`, the protocol of OpenAI, vLLM-Omni, Kokoro and Step-Audio servers."""

from __future__ import annotations

import base64
import io
import time
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np

from manifests.ids import digest
from synth.llm.api_key import ApiKey, ApiKeyError
from synth.llm.retry_after import retry_after_s
from synth.voices.decoding import decode
from synth.voices.voice import (
    Fault,
    Gender,
    Reference,
    Spoken,
    Traits,
    VoiceError,
    VoiceSetupError,
    speakable,
)

_HOPELESS = frozenset({401, 403, 404, 405})
"""Every other text would be answered likewise."""
_PASSING = frozenset({408, 409, 429})
_FIRST_WAIT_S = 0.5
_LEAST_WAIT_S = 0.1
_AUDIO_TYPES = ("audio/", "application/octet-stream", "binary/octet-stream")
_TOLD_CHARACTERS = 200


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server and how to speak to it. `base_url` ends in `/v1`, as the openai client wants it.

    The key is read from the environment variable `api_key_env` when the voice is made, and is nowhere else:
    no field, log or message has it. None: a local server that wants none. The `…_field`s are where this
    server takes what OpenAI's protocol lacks (None: it does not): vLLM-Omni has `ref_audio` (a data URL),
    `ref_text`, `seed` and reads the emotion in `instructions`; `extra` is sent with every request.
    `timeout_s` is the longest silence of the server, `deadline_s` the longest time for one text, retries
    and all. `rate_hz`: what the server must answer with; None: anything.
    """

    base_url: str
    model: str
    api_key_env: str | None = None
    emotion_field: str | None = None
    emotion_text: str = "Speak with this emotion: {emotion}."
    reference_audio_field: str | None = None
    reference_text_field: str | None = None
    seed_field: str | None = None
    extra: tuple[tuple[str, str | int | float | bool], ...] = ()
    reads_numbers: bool = True
    response_format: Literal["wav", "flac"] = "wav"
    rate_hz: int | None = None
    licence: str = "as the server's model"
    retries: int = 3
    timeout_s: float = 60.0
    deadline_s: float = 300.0
    max_bytes: int = 32 << 20

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise VoiceSetupError("the server's base URL must be http(s)://HOST…/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise VoiceSetupError(
                f"the base URL of {parts.hostname} holds more than an address: a key belongs into an "
                "environment variable (`api_key_env`)"
            )


class _TryAgainError(Exception):
    """A fault that another request may not meet; `wait_s`, where the server says how long to wait."""

    def __init__(self, fault: Fault, detail: str, wait_s: float | None = None) -> None:
        super().__init__(detail)
        self.fault = fault
        self.wait_s = wait_s


class ServerVoice:
    """`voice` of a server. Sound is read as it comes, and no further than `max_bytes`.

    Asked again, up to `retries` times, with back-off or as `Retry-After` says: 408, 409, 429, 5xx, no
    connection, no answer, one that breaks off. Raises VoiceSetupError for a key variable that is not set and,
    when speaking, for 401, 403, 404 and 405.
    """

    def __init__(
        self, server: Server, voice: str, *, gender: Gender | None = None, identity: str = ""
    ) -> None:
        try:
            import openai
        except ImportError as error:
            wanted = "a server's voice needs the openai client: pip install 'duologue[dialogue]'"
            raise ImportError(wanted) from error
        self._server, self._voice = server, voice
        self._key = _key(server.api_key_env)
        self._client = openai.OpenAI(
            api_key=self._key.reveal() if self._key else "none", base_url=server.base_url, max_retries=0
        )
        self.traits = Traits(
            name=f"server:{voice}",
            fingerprint=digest("server", server.model, voice, server.extra, server.emotion_text),
            licence=server.licence,
            gender=gender,
            identity=identity,
            seeded=server.seed_field is not None,
            retry_by="seed" if server.seed_field else "speed",
            reads_numbers=server.reads_numbers,
            takes_emotion=server.emotion_field is not None,
            clones=server.reference_audio_field is not None,
        )

    def __repr__(self) -> str:
        return f"ServerVoice({self._voice!r} of {self._server.base_url})"

    def speak(
        self,
        text: str,
        *,
        seed: int,
        speed: float = 1.0,
        emotion: str | None = None,
        reference: Reference | None = None,
    ) -> Spoken:
        """See `synth.voices.voice.Voice`. The bytes are the server's affair, seed or not."""
        fields = self._fields(seed, emotion, reference)
        said = speakable(text)
        until = time.monotonic() + self._server.deadline_s
        spoken = self._asked(said, speed, fields, until)
        if self._server.rate_hz not in (None, spoken.rate_hz):
            detail = f"{self!r} answers with {spoken.rate_hz} Hz where {self._server.rate_hz} Hz are expected"
            raise VoiceError(Fault.WRONG_RATE, detail)
        return spoken

    def _asked(self, text: str, speed: float, fields: dict[str, Any], until: float) -> Spoken:
        """What the server says, in so many tries."""
        for tried in range(self._server.retries + 1):
            try:
                return self._once(text, speed, fields, until)
            except _TryAgainError as error:
                last = error
            wait_s = _FIRST_WAIT_S * 2**tried if last.wait_s is None else last.wait_s
            if tried == self._server.retries or time.monotonic() + wait_s > until:
                break
            time.sleep(wait_s)
        raise VoiceError(last.fault, f"{last} (asked {tried + 1} times)")

    def _fields(self, seed: int, emotion: str | None, reference: Reference | None) -> dict[str, Any]:
        """What goes into the request beside the protocol's own fields."""
        server = self._server
        fields: dict[str, Any] = dict(server.extra)
        if server.seed_field:
            fields[server.seed_field] = seed
        if emotion and server.emotion_field:
            fields[server.emotion_field] = server.emotion_text.format(emotion=emotion.lower())
        if reference is not None:
            if server.reference_audio_field is None:
                raise VoiceError(
                    Fault.CANNOT_CLONE, f"{self!r} takes no reference clip ({reference.speaker})"
                )
            fields[server.reference_audio_field] = _data_url(reference)
            if server.reference_text_field:
                fields[server.reference_text_field] = reference.text
        return fields

    def _once(self, text: str, speed: float, fields: dict[str, Any], until: float) -> Spoken:
        """One request. No error has the client's as its cause: that one may hold the key."""
        import httpx2
        import openai

        try:
            with self._client.audio.speech.with_streaming_response.create(
                model=self._server.model,
                voice=self._voice,
                input=text,
                speed=speed,
                response_format=self._server.response_format,
                extra_body=fields,
                timeout=min(self._server.timeout_s, max(_LEAST_WAIT_S, until - time.monotonic())),
            ) as answer:
                return self._read(answer, until)
        except openai.APIStatusError as error:
            raise self._refused(error.response) from None
        except (openai.APIConnectionError, httpx2.TimeoutException) as error:
            timed_out = isinstance(error, openai.APITimeoutError | httpx2.TimeoutException)
            what = f"no answer for {self._server.timeout_s:g} s" if timed_out else "no connection"
            raise _TryAgainError(Fault.SERVER_FAILED, f"{self!r}: {what}") from None
        except httpx2.TransportError as error:
            detail = f"{self!r} broke off: {type(error).__name__}"
            raise _TryAgainError(Fault.ANSWER_TRUNCATED, detail) from None

    def _read(self, answer: Any, until: float) -> Spoken:
        data = bytearray()
        for block in answer.iter_bytes():
            data += block
            if len(data) > self._server.max_bytes:
                detail = f"{self!r} sends more than {self._server.max_bytes} bytes for one text"
                raise VoiceError(Fault.ANSWER_TOO_LARGE, detail)
            if time.monotonic() > until:
                detail = f"{self!r} was not done after {self._server.deadline_s:g} s"
                raise VoiceError(Fault.SERVER_FAILED, detail)
        kind = str(answer.headers.get("content-type", "")).lower()
        if not kind.startswith(_AUDIO_TYPES):
            told = f"{self!r} answers with {kind or 'no type'}: {self._told(bytes(data))}"
            raise VoiceError(Fault.ANSWER_NOT_AUDIO, told)
        try:
            return decode(bytes(data), repr(self))
        except VoiceError as error:
            if error.fault == Fault.ANSWER_TRUNCATED:
                raise _TryAgainError(error.fault, error.detail) from None
            raise

    def _refused(self, response: Any) -> Exception:
        status = int(response.status_code)
        told = f"{self!r} answers {status}: {self._told(response.content)}"
        if status in _HOPELESS:
            return VoiceSetupError(f"{told}; check address, model and key")
        if status in _PASSING or status >= 500:
            return _TryAgainError(Fault.SERVER_FAILED, told, retry_after_s(response.headers))
        return VoiceError(Fault.SERVER_FAILED, told)

    def _told(self, body: bytes) -> str:
        """The beginning of what a server says of itself, without the key, which some repeat."""
        text = " ".join(body.decode("utf-8", "replace").split())
        return (self._key.redact(text) if self._key else text)[:_TOLD_CHARACTERS]


def _key(variable: str | None) -> ApiKey | None:
    if variable is None:
        return None
    try:
        return ApiKey.from_environment(variable, required=True)
    except ApiKeyError as error:
        raise VoiceSetupError(str(error)) from None


def _data_url(reference: Reference) -> str:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.clip(reference.pcm, -1, 1), reference.rate_hz, format="WAV", subtype="PCM_16")
    return "data:audio/wav;base64," + base64.b64encode(file.getvalue()).decode("ascii")
