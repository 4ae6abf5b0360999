"""From a model's reply to an answer that passed all checks, or to the list of what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pydantic import ValidationError

from synth.llm.chat import Reply
from synth.rewriting.answers import ANSWERS, Backchannels, Continuation, PlacedBackchannel, Response
from synth.rewriting.checks import Failure, Shown, failures
from synth.rewriting.config import RewriteConfig
from synth.rewriting.tasks import MOST_BACKCHANNELS, Task, next_speaker, turn_words

Answer = Response | Continuation | Backchannels
MOST_BACKCHANNEL_WORDS = 3


def judge(reply: Reply, task: Task, config: RewriteConfig) -> tuple[Answer | None, list[Failure]]:
    """The answer (None when it cannot be read) and its failures; it may be used when there are none."""
    if reply.refused:
        return None, [Failure("refusal", "it was refused")]
    if reply.cut_off:
        return None, [Failure("cut_off", f"it was longer than {config.sampling.max_tokens} tokens")]
    try:
        answer = ANSWERS[task.kind].model_validate_json(reply.text)
    except ValidationError as error:
        return None, [Failure("malformed", _malformed(error))]
    if isinstance(answer, Response):
        return answer, failures(answer.response.strip(), task.shown, config.checks)
    if isinstance(answer, Continuation):
        return answer, _continuation(answer, task, config)
    return answer, _backchannels(answer.backchannels, task, config)


def _malformed(error: ValidationError) -> str:
    """Where and how, without what the model wrote there."""
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    if first["type"] == "json_invalid":
        return "it is not JSON"
    if first["type"] == "extra_forbidden":
        return "the JSON has a field that was not asked for"
    return f"the JSON is wrong at {'.'.join(map(str, first['loc'])) or 'the top'}: {first['msg']}"


def _continuation(answer: Continuation, task: Task, config: RewriteConfig) -> list[Failure]:
    found: list[Failure] = []
    if len(answer.turns) != config.continue_turns:
        found.append(
            Failure("turns", f"it has {len(answer.turns)} turns; {config.continue_turns} are wanted")
        )
        return found
    speaker, others = next_speaker(task.dialogue), task.dialogue.turns[-1].speaker
    shown = task.shown
    for number, turn in enumerate(answer.turns):
        expected = (speaker, others)[number % 2]
        if turn.speaker != expected:
            found.append(Failure("speaker", f"turn {number} is not said by {expected!r}"))
        if config.emotions.merged(turn.emotion) is None:
            found.append(Failure("emotion", f"turn {number} has none of {', '.join(config.emotions.keep)}"))
        text = turn.text.strip()
        for one in failures(text, shown, config.checks.model_copy(update={"min_words": 1})):
            found.append(Failure(one.check, f"turn {number}: {one.detail}"))
        shown = replace(shown, history=(*shown.history, text))
    return found


def _backchannels(placed: Sequence[PlacedBackchannel], task: Task, config: RewriteConfig) -> list[Failure]:
    found: list[Failure] = []
    if not placed:
        found.append(Failure("empty", "there is no backchannel"))
    spoken = config.checks.model_copy(update={"min_words": 1, "max_words": MOST_BACKCHANNEL_WORDS})
    for one in placed:
        problem = _misplaced(one, task, config)
        if problem:
            found.append(Failure("place", problem))
        shown = Shown(labels=task.shown.labels, language=task.shown.language)
        found += [
            Failure(fault.check, f"{fault.detail} (backchannel of turn {one.turn})")
            for fault in failures(one.text.strip(), shown, spoken)
        ]
    per_turn = Counter(one.turn for one in placed)
    if any(count > MOST_BACKCHANNELS for count in per_turn.values()):
        found.append(Failure("place", f"a turn has more than {MOST_BACKCHANNELS} backchannels"))
    if len({(one.turn, one.after_word) for one in placed}) < len(placed):
        found.append(Failure("place", "two backchannels stand at one place"))
    return found


def _misplaced(one: PlacedBackchannel, task: Task, config: RewriteConfig) -> str | None:
    if not 0 <= one.turn < len(task.dialogue.turns):
        return f"there is no turn {one.turn}"
    words = turn_words(task.dialogue, one.turn)
    if words < config.backchannel_turn_words:
        return f"turn {one.turn} has only {words} words"
    if not 1 <= one.after_word < words:
        return f"turn {one.turn} has {words} words; after_word must be from 1 to {words - 1}"
    return None
