"""From lines and sounds to a plan: when each turn begins, where it pauses, who is interrupted, who nods.

Every draw is named by seed, dialogue, line and purpose, so a line that is added changes no other draw. What
a plan says is a turn, a pause or a backchannel must be found as one by the rules of `synth.turns`: offsets
are drawn within the limits that this sets, and what finds no place is listed with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from manifests.ids import digest
from synth.dialogue.backchannels import place_backchannel
from synth.dialogue.layout import Layout, cut_after, laid_out, with_pause
from synth.dialogue.offsets import PUBLISHED, OffsetDistribution
from synth.dialogue.plan import DialoguePlan, Kind, PlanError, Tone, Unplaced, Utterance
from synth.dialogue.sounds import Speech
from synth.turns.parameters import PRESETS, TurnParameters

_CLEARANCE = Fraction(1, 10)
"""Seconds that a limit is kept off by, so that hearing 20 ms more or less changes no label."""


@dataclass(frozen=True)
class Line:
    """What channel `side` says in `sound`.

    A backchannel goes into the other's turn before it: as near as the rules allow to the end of that turn's
    word `after_word` (counted from 1, as the words of its sound are), or anywhere.
    """

    key: str
    side: int
    text: str
    sound: str
    kind: Kind = "turn"
    after_word: int | None = None


@dataclass(frozen=True, kw_only=True)
class PlannerSettings:
    """Of a whole corpus. Shares are chances a turn; ranges are drawn evenly."""

    offsets: OffsetDistribution = PUBLISHED["deruiter2006"]
    parameters: TurnParameters = PRESETS["duologue"]
    seed: int = 0
    max_offset_s: float = 3.0
    lead_s: Fraction = Fraction(1, 2)
    tail_s: Fraction = Fraction(1, 2)
    level_dbfs: tuple[float, float] = (-26.0, -26.0)
    """Of the two channels, over active speech."""
    tones: tuple[Tone, Tone] = (Tone(), Tone())
    """A tone that has a source gets the gain that brings that source's speech to the channel's level."""
    pause_share: float = 0.0
    pause_s: tuple[float, float] = (0.5, 2.0)
    interruption_share: float = 0.0
    interruption_s: tuple[float, float] = (0.6, 1.0)
    """How long the interrupted one speaks on."""
    margin_s: Fraction = Fraction(1, 20)
    fade_s: Fraction = Fraction(1, 100)


def plan_dialogue(
    key: str,
    lines: Sequence[Line],
    sounds: Mapping[str, Speech],
    speakers: tuple[str, str],
    settings: PlannerSettings | None = None,
) -> DialoguePlan:
    """The plan of one dialogue. The lines' turns alternate between the sides.

    Raises PlanError for two turns of one side in a row, a missing sound, sounds of several rates, a line
    twice, and a first line that is a backchannel.
    """
    chosen = settings or PlannerSettings()
    _check(key, lines, sounds, chosen.tones)
    planner = _Planner(key, sounds, chosen)
    turns = [line for line in lines if line.kind == "turn"]
    for number, line in enumerate(turns):
        planner.add_turn(line, last=number + 1 == len(turns))
    latest: dict[int, str] = {}
    for line in lines:
        if line.kind == "backchannel":
            planner.add_backchannel(line, latest.get(1 - line.side))
        else:
            latest[line.side] = line.key
    stop = max(one.stop for one in planner.placed)
    heard = max(piece.at + piece.stop - piece.first for one in planner.placed for piece in one.pieces)
    return DialoguePlan(
        key=key,
        rate_hz=planner.rate_hz,
        n_samples=max(stop + planner.samples(chosen.tail_s), heard),
        speakers=speakers,
        utterances=tuple(sorted(planner.placed, key=lambda one: (one.start, one.side))),
        tones=(planner.tone(0), planner.tone(1)),
        parameters=chosen.parameters.name,
        offsets=chosen.offsets.name,
        unplaced=tuple(planner.unplaced),
    )


def _check(key: str, lines: Sequence[Line], sounds: Mapping[str, Speech], tones: tuple[Tone, Tone]) -> None:
    turns = [line for line in lines if line.kind == "turn"]
    if not turns:
        raise PlanError(f"{key}: a dialogue needs a turn")
    if len({line.key for line in lines}) != len(lines):
        raise PlanError(f"{key}: two lines have the same key")
    for before, after in pairwise(turns):
        if before.side == after.side:
            raise PlanError(f"{key}: {before.key} and {after.key} are turns of one side; join them")
    sources = {tone.source for tone in tones if tone.source is not None}
    missing = sorted(({line.sound for line in lines} | sources) - set(sounds))
    if missing:
        raise PlanError(f"{key}: no sound is called {', '.join(missing)}")
    if len({sounds[line.sound].rate_hz for line in lines}) > 1:
        raise PlanError(f"{key}: its sounds have several sample rates; resample them to one")


class _Planner:
    """Places turns one after the other, then backchannels between them."""

    def __init__(self, key: str, sounds: Mapping[str, Speech], settings: PlannerSettings) -> None:
        self._key, self._sounds, self._settings = key, sounds, settings
        self.rate_hz = next(iter(sounds.values())).rate_hz
        self.placed: list[Utterance] = []
        self.unplaced: list[Unplaced] = []
        self._overlap: int | None = None
        """Samples by which the next turn interrupts the one before."""

    def samples(self, time: Fraction | float) -> int:
        """The nearest number of samples."""
        return round(Fraction(time) * self.rate_hz)

    def tone(self, side: int) -> Tone:
        """Of a channel, as loud as its utterances bring it along."""
        tone = self._settings.tones[side]
        return tone if tone.source is None else replace(tone, gain_db=self._gain_db(side, tone.source))

    def _gain_db(self, side: int, sound: str) -> float:
        return round(self._settings.level_dbfs[side] - self._sounds[sound].level_dbfs, 6)

    def _share(self, *parts: object) -> float:
        """Evenly from [0, 1)."""
        return int(digest("plan", self._settings.seed, self._key, *parts, length=13), 16) / 2**52

    def _between(self, limits: tuple[float, float], *parts: object) -> int:
        return self.samples(limits[0] + (limits[1] - limits[0]) * self._share(*parts))

    def add_turn(self, line: Line, *, last: bool) -> None:
        """The next turn, with its pause, and cut where the one after it is to interrupt."""
        layout = self._paused(line, laid_out(self._sounds[line.sound], self.samples(self._settings.margin_s)))
        overlap, self._overlap = self._overlap, None
        if not last and self._share(line.key, "interrupted") < self._settings.interruption_share:
            layout = self._interrupted(line, layout)
        offset: int | None = None
        start = self.samples(self._settings.lead_s)
        if self.placed:
            low = self._lowest_offset(layout)
            offset = None if overlap is None or -overlap < low else -overlap
            if overlap is not None and offset is None:
                self.unplaced.append(Unplaced(line.key, "too short to interrupt: it follows the cut turn"))
            if offset is None:
                offset = self._drawn_offset(line, low)
            start = self.placed[-1].stop + offset
        interrupts = overlap is not None and offset == -overlap
        self.placed.append(self._utterance(line, layout.moved(start), offset, interrupts))

    def _paused(self, line: Line, layout: Layout) -> Layout:
        if self._share(line.key, "paused") >= self._settings.pause_share:
            return layout
        length = self._between(self._settings.pause_s, line.key, "pause length")
        words = range(len(layout.words) - 1)
        for word in sorted(words, key=lambda number: self._share(line.key, "pause after", number)):
            paused = with_pause(layout, word, length)
            if not self._mistakable(paused):
                return paused
        self.unplaced.append(Unplaced(line.key, "no word boundary to pause at"))
        return layout

    def _mistakable(self, layout: Layout) -> bool:
        """Whether it, or a part of it alone between long pauses, is as short as a backchannel."""
        parameters = self._settings.parameters
        silence = min(parameters.backchannel_before_s, parameters.backchannel_after_s) - _CLEARANCE
        parts = layout.units(self.samples(silence))
        longest = self.samples(parameters.backchannel_max_s + _CLEARANCE)
        return any(stop - start <= longest for start, stop in parts)

    def _interrupted(self, line: Line, layout: Layout) -> Layout:
        """Cut at a word boundary in the second half, in speech that has gone on for long enough."""
        overlap = self._between(self._settings.interruption_s, line.key, "overlap")
        merge = self.samples(self._settings.parameters.ipu_merge_s)
        begun = self.samples(self._settings.parameters.dual_start_s + _CLEARANCE)
        words = range(len(layout.words) // 2, len(layout.words) - 1)
        for word in sorted(words, key=lambda number: self._share(line.key, "cut", number)):
            cut = cut_after(layout, word)
            start, stop = cut.units(merge)[-1]
            if stop - start >= overlap + begun and not self._mistakable(cut):
                self._overlap = overlap
                return cut
        self.unplaced.append(Unplaced(line.key, "no word boundary to be interrupted at"))
        return layout

    def _lowest_offset(self, layout: Layout) -> int:
        """So that the turn begins in the last unit of the one before, whose end its own first unit outlives,
        and its speaker has been silent for longer than a unit may be."""
        parameters, clear = self._settings.parameters, self.samples(_CLEARANCE)
        merge = self.samples(parameters.ipu_merge_s)
        before = self.placed[-1]
        last_unit = Layout(before.pieces, before.active, before.words).units(merge)[-1]
        first_unit = layout.units(merge)[0]
        dual = self.samples(parameters.dual_start_s)
        limits = [dual + clear - (last_unit[1] - last_unit[0]), clear - (first_unit[1] - first_unit[0])]
        if len(self.placed) > 1:
            limits.append(self.placed[-2].stop + merge + clear - before.stop)
        return max(limits)

    def _drawn_offset(self, line: Line, lowest: int) -> int:
        """Of a turn that interrupts nobody."""
        limit = self._settings.parameters.interruption_overlap_s - _CLEARANCE
        low_s = max(lowest / self.rate_hz, -float(limit))
        drawn_s, _ = self._settings.offsets.draw(
            self._settings.seed, self._key, line.key, low_s=low_s, high_s=self._settings.max_offset_s
        )
        return max(lowest, self.samples(drawn_s))

    def _utterance(
        self, line: Line, layout: Layout, offset: int | None = None, interrupts: bool = False
    ) -> Utterance:
        first = layout.pieces[0]
        early = max(0, -first.at)  # of its margin, what would come before the dialogue begins
        pieces = (replace(first, first=first.first + early, at=first.at + early), *layout.pieces[1:])
        return Utterance(
            key=line.key,
            side=line.side,
            kind=line.kind,
            text=line.text,
            sound=line.sound,
            pieces=pieces,
            active=layout.active,
            words=layout.words,
            gain_db=self._gain_db(line.side, line.sound),
            fade=self.samples(self._settings.fade_s),
            offset=offset,
            interrupts=interrupts,
            n_cut_words=layout.n_cut_words,
            pauses=layout.pauses,
        )

    def add_backchannel(self, line: Line, host_key: str | None) -> None:
        """Into the other's turn before it, where the rules find a backchannel; else it is listed."""
        host = next((one for one in self.placed if one.key == host_key), None)
        layout = laid_out(self._sounds[line.sound], self.samples(self._settings.margin_s))
        own = [(one.start, one.stop) for one in self.placed if one.side == line.side]
        if host is None:
            self.unplaced.append(Unplaced(line.key, "no turn of the other side before it"))
            return
        place = place_backchannel(
            layout,
            host,
            own,
            self._settings.parameters,
            self.rate_hz,
            after_word=line.after_word,
            order=lambda number: self._share(line.key, "place", number),
            clearance_s=_CLEARANCE,
        )
        if isinstance(place, str):
            self.unplaced.append(Unplaced(line.key, place))
        else:
            placed = self._utterance(line, layout.moved(place.start))
            self.placed.append(replace(placed, moved_words=place.moved_words))
