"""Every threshold of the turn layer, in one place and under a name; numbers never travel without them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction


@dataclass(frozen=True)
class TurnParameters:
    """Thresholds in exact seconds. Which number is whose stands beside `PRESETS`."""

    name: str = "duologue"

    # units and turns
    ipu_merge_s: Fraction = Fraction(1, 5)
    """Silences of one speaker of at most this are inside an inter-pausal unit (IPU)."""
    turn_max_pause_s: Fraction | None = Fraction(3)
    """A longer silence of the same speaker begins a new turn, even if nobody else spoke; None: never."""
    dual_start_s: Fraction = Fraction(1, 5)
    """Nobody reacts faster: who goes on after a silence while another begins so shortly after, begins a new
    turn, since both took the floor to be free (0: the silence alone counts)."""
    interruption_overlap_s: Fraction = Fraction(1, 2)
    """Who takes the floor while the other speaks on for at least this interrupts."""
    fto_failure_s: Fraction = Fraction(3)
    """A floor transfer offset above this counts as a failed response."""
    word_reach_s: Fraction = Fraction(1, 2)
    """A word that touches no turn of its speaker belongs to the nearest one within this, or to none."""

    # backchannels
    backchannel_max_s: Fraction = Fraction(1)
    backchannel_max_words: int | None = 3
    """Where words are known; None: words do not matter."""
    backchannel_before_s: Fraction = Fraction(1)
    backchannel_after_s: Fraction = Fraction(1)
    """Silence of the same speaker before and after it; the recording's ends are silent."""
    backchannel_context_s: Fraction | None = Fraction(1)
    """Somebody else is heard so shortly before and after it; None: need not be."""
    backchannel_context_after: bool = True
    """Whether that somebody must also be heard after it."""

    # labels
    yield_horizon_s: Fraction = Fraction(1)

    # voice activity projection
    vap_frame_hz: int = 50
    vap_bins_s: tuple[Fraction, ...] = (Fraction(1, 5), Fraction(2, 5), Fraction(3, 5), Fraction(4, 5))
    vap_bin_share: Fraction = Fraction(1, 2)
    """A bin is active when at least this share of its frames is."""
    vap_context_s: Fraction = Fraction(3)
    """No event begins before."""
    vap_silence_min_s: Fraction = Fraction(1, 4)
    """Mutual silence of a shift or hold: pad and metric window must fit in."""
    vap_silence_max_s: Fraction | None = None
    vap_pre_s: Fraction = Fraction(1)
    vap_post_s: Fraction = Fraction(1)
    vap_solo_throughout: bool = True
    """In the time before and after, one speaker is active throughout (pauses filled) and the other silent;
    False: it is enough that not both are active in it."""
    vap_metric_pad_s: Fraction = Fraction(1, 20)
    vap_metric_s: Fraction = Fraction(1, 5)
    vap_prediction_s: Fraction = Fraction(1, 2)
    vap_onset_s: Fraction = Fraction(1, 5)
    vap_onset_min_s: Fraction = Fraction(1)
    """The onset of a shift counts as long when the activity lasts at least this."""
    vap_negative_before_s: Fraction = Fraction(1)
    vap_negative_after_s: Fraction = Fraction(2)
    """Where no backchannel is to be predicted: so far inside a speaker's uninterrupted activity."""
    vap_overlap_min_s: Fraction = Fraction(1, 5)
    """Overlaps that end in a shift are at least this long."""
    vap_overlap_max_s: Fraction = Fraction(1)
    """Overlaps after which the same speaker goes on are at most this long."""
    vap_overlap_pre_s: Fraction = Fraction(3, 2)
    vap_overlap_post_s: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        for field, value in vars(self).items():
            if isinstance(value, Fraction) and value < 0:
                raise ValueError(f"{field} of the parameters {self.name!r} is below 0: {value}")
        if not self.vap_bins_s or min(self.vap_bins_s) * self.vap_frame_hz < 1:
            raise ValueError(f"a projection bin of {self.name!r} holds no frame of {self.vap_frame_hz} Hz")


_DUOLOGUE = TurnParameters()

PRESETS: dict[str, TurnParameters] = {
    one.name: one
    for one in (
        _DUOLOGUE,
        # ErikEkstedt/VoiceActivityProjection f39a78b: vap/events.py EventConfig, vap/objective.py,
        # vap/utils.py vad_onehot_to_vad_list (merging). It asks neither for words nor for a listener.
        replace(
            _DUOLOGUE,
            name="vap",
            ipu_merge_s=Fraction(1, 10),
            turn_max_pause_s=None,
            dual_start_s=Fraction(0),
            backchannel_max_words=None,
            backchannel_context_s=None,
        ),
        # russelsa/mm-vap e60ddfc: dataset_manager/src/turn_event_manager.py TurnEvents and
        # scripts/transcript_processing.py interpausal_units. It prefers 2 s of silence after a backchannel.
        replace(
            _DUOLOGUE,
            name="mm_vap",
            turn_max_pause_s=None,
            dual_start_s=Fraction(0),
            backchannel_max_words=None,
            backchannel_after_s=Fraction(2),
            backchannel_context_after=False,
            vap_context_s=Fraction(0),
            vap_silence_max_s=Fraction(2),
            vap_solo_throughout=False,
        ),
        # AV-Dialog, arXiv 2511.11124: offsets above 3 s are failures. It publishes no other threshold, the
        # rest are ours.
        replace(_DUOLOGUE, name="av_dialog", fto_failure_s=Fraction(3)),
        # Full-Duplex-Bench: no takeover when shorter than 1 s and of at most 3 words; the rest are ours.
        replace(_DUOLOGUE, name="full_duplex_bench", backchannel_max_s=Fraction(1), backchannel_max_words=3),
    )
}


def preset(name: str) -> TurnParameters:
    """The parameters of that name. Raises ValueError that lists the names."""
    if name not in PRESETS:
        raise ValueError(f"there are no turn parameters {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
