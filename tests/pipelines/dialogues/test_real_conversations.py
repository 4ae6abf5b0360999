"""Which recordings are of one dialogue."""

from __future__ import annotations

import pytest

from manifests.reasons import Reason
from manifests.sources import Listing, SourceFile
from pipelines.config import ConfigError
from pipelines.dialogues.real.conversations import conversations
from pipelines.dialogues.real.real import load_real


def _source(path: str, **labels: str) -> SourceFile:
    return SourceFile(path, 1, "1-1", labels)


def test_pairs_are_told_by_role_or_by_speaker() -> None:
    sources = (
        _source("b.wav", dialogue="one", role="main"),
        _source("a.wav", dialogue="one", role="other"),
        _source("c.wav", dialogue="two", speaker="Zoe"),
        _source("d.wav", dialogue="two", speaker="Adam"),
        _source("e.wav"),
    )
    found = {one.name: one for one in conversations(Listing(sources))}
    assert [source.path for source in found["one"].sources] == ["b.wav", "a.wav"]
    assert [source.path for source in found["two"].sources] == ["c.wav", "d.wav"]
    assert found["e.wav"].id == sources[4].id and not found["e.wav"].lone_half
    assert all(one.fault is None for one in found.values())
    assert len({one.id for one in found.values()}) == 3


def test_what_is_not_two_sides_is_no_dyad() -> None:
    three = tuple(_source(f"{name}.wav", dialogue="d", speaker=name) for name in "abc")
    unlabelled = (_source("talk.mp4", dialogue="talk"), _source("talk.wav", dialogue="talk"))
    for sources in (
        three,
        unlabelled,
        tuple(_source(one.path, dialogue="d", speaker="x") for one in three[:2]),
    ):
        (found,) = conversations(Listing(sources))
        assert found.fault is not None and found.fault[0] is Reason.NOT_A_DYAD


def test_a_config_that_cannot_make_dialogues_is_refused() -> None:
    assert load_real(path=None, overrides=["voices.n_speakers=2"]).voices.mode == "auto"
    for setting in ("voices.mode=none", "cut.members=[face]", "dyads.parameters=nobody"):
        with pytest.raises(ConfigError):
            load_real(path=None, overrides=[setting])
