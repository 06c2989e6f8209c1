"""Were the delays the policy's? Each answer is computed anew where the policy is ours, and held to its bounds where it is not.

A retry question carries the chance that its delay was drawn from, so our own waits give the same delay again, to the last bit;
where the random source was seeded, that chance itself is drawn again. A foreign wait or stop is only held to the policy's bounds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import msgspec

from reconnect.audit.entries import Gap, Input, Policy, Start, StepEntry
from reconnect.core.question import RetryAnswer, RetryQuestion
from reconnect.errors import BadArgument
from reconnect.evidence.objections import Objections, Rule
from reconnect.reasons import Reason
from reconnect.retry import RetryPolicy, full_jitter, proportional_jitter, steps
from reconnect.retry.policy import never

MOST_DRAWN: Final = 10_000_000  # a question a second for four months; a forged line must not keep a reader busy

_OURS: Final = "RetryPolicy"
_CALL: Final = re.compile(r"(full_jitter|proportional_jitter|steps)\((.*)\)")
_NEVER: Final = f"{never.__module__}.{never.__qualname__}"


@dataclass(slots=True)
class _Asked:
    """What is known of one source's policy, and the answer that its next step is to follow."""

    told: Policy | None = None
    policy: RetryPolicy | None = None  # ours, made anew
    random: Random | None = None
    drawn: int = 0
    question: RetryQuestion | None = None
    answer: RetryAnswer | None = None
    whole: bool = True


class DelayCheck:
    """Holds answers to policies, and steps to answers."""

    def __init__(self, objections: Objections) -> None:
        self._objections = objections
        self._asked: dict[str, _Asked] = {}
        self.questions = self.recomputed = 0

    def start(self, entry: Start) -> None:
        """A connect() begins; a question that a killed process left open is none any more."""
        if entry.run == 1 and not entry.repeated:
            self._asked[entry.source] = _Asked()

    def gap(self, entry: Gap) -> None:
        """Records are missing: an answer may be among them."""
        asked = self._asked.setdefault(entry.source, _Asked())
        asked.question = asked.answer = None
        asked.random, asked.whole = None, False

    def policy(self, entry: Policy) -> None:
        """A policy comes into force."""
        asked = self._asked.setdefault(entry.source, _Asked(whole=not entry.repeated))
        if entry.repeated and asked.told is not None:
            return
        asked.told, asked.policy = entry, made_anew(entry)
        if entry.seed is None:
            asked.random = None
        elif entry.drawn > MOST_DRAWN:
            self._objections.add(Rule.DELAY, f"nobody draws {entry.drawn:,} numbers")
        elif not entry.repeated and (asked.random is None or entry.drawn != asked.drawn):
            asked.random, asked.drawn = Random(entry.seed), entry.drawn  # jitter is no secret
            for _ in range(entry.drawn):
                asked.random.random()

    def input(self, entry: Input) -> None:
        """The policy answered."""
        if entry.what != "verdict":
            return
        asked = self._asked.setdefault(entry.source, _Asked(whole=False))
        try:
            question = msgspec.convert(entry.input.get("question"), RetryQuestion)
            answer = msgspec.convert(entry.input.get("answer"), RetryAnswer)
        except msgspec.ValidationError as error:
            self._objections.add(Rule.DELAY, f"the question or the answer is none: {error}")
            return
        self.questions += 1
        if asked.answer is not None:
            self._objections.add(Rule.DELAY, "the policy was asked again, and no step followed its last answer")
        asked.question, asked.answer = question, answer
        self._draw(asked, question)
        if asked.told is not None:
            self._judge(asked, question, answer)
        elif asked.whole:
            self._objections.add(Rule.DELAY, "a policy answered, and the journal does not say which one is in force")

    def _draw(self, asked: _Asked, question: RetryQuestion) -> None:
        if asked.random is None:
            return
        drawn = asked.random.random()
        asked.drawn += 1
        if drawn != question.chance:
            problem = f"the chance {question.chance!r} is not number {asked.drawn} of the recorded seed, which is {drawn!r}"
            self._objections.add(Rule.DELAY, problem)
            asked.random = None

    def _judge(self, asked: _Asked, question: RetryQuestion, answer: RetryAnswer) -> None:
        told = asked.told
        assert told is not None, "asked before"
        if asked.policy is not None:
            self.recomputed += 1
            again = asked.policy.decide(question)
            if (again.retry_in, again.reason, again.renewal) != (answer.retry_in, answer.reason, answer.renewal):
                self._objections.add(Rule.DELAY, f"the policy answered {_words(answer)}, and its rules say {_words(again)}")
        elif answer.retry_in is not None:
            if told.max_wait_seconds is not None and not 0.0 <= answer.retry_in <= told.max_wait_seconds:
                problem = f"the delay {answer.retry_in!r} is not between 0 and max_wait_seconds={told.max_wait_seconds!r}"
                self._objections.add(Rule.DELAY, problem)
            budget = told.give_up_after_seconds
            if budget is not None and question.elapsed + answer.retry_in > budget:
                late = question.elapsed + answer.retry_in
                problem = f"the next try is {late:g} s after the outage began, and {budget:g} s is the end"
                self._objections.add(Rule.DELAY, problem)
            asks = question.cause.retry_after
            if told.policy == _OURS and asks is not None and answer.retry_in != asks:
                self._objections.add(Rule.DELAY, f"the hub asked for {asks!r} s, and the delay is {answer.retry_in!r}")

    def step(self, entry: StepEntry) -> None:
        """A turn of the session: its delay must be the answer's."""
        if entry.machine != "session" or entry.verdict != "taken":
            return
        asked = self._asked.get(entry.source)
        if asked is None:
            return
        if asked.answer is not None and entry.retry_in is None and entry.reason is None and entry.attempt is None:
            return  # another step of the same turn, which came late: the answer stands before all of them
        question, answer = asked.question, asked.answer
        asked.question = asked.answer = None
        if answer is None or question is None:
            unasked = entry.retry_in is not None and entry.reason != Reason.FORCED
            if unasked and asked.whole:
                self._objections.add(Rule.DELAY, f"the delay {entry.retry_in!r} was answered by nobody")
            return
        if entry.retry_in != answer.retry_in:
            self._objections.add(Rule.DELAY, f"the delay is {entry.retry_in!r}, and the policy answered {answer.retry_in!r}")
        if entry.reason not in (answer.reason, Reason.POLICY_ERROR):  # the latter is what the core makes of a delay that is none
            self._objections.add(Rule.DELAY, f"the reason is {entry.reason}, and the policy answered {answer.reason}")
        attempt = question.attempt if answer.retry_in is not None else question.attempt - 1
        if entry.attempt != attempt:
            self._objections.add(Rule.DELAY, f"the attempt is number {entry.attempt}, and the policy was asked about {attempt}")


def made_anew(told: Policy) -> RetryPolicy | None:
    """Return the policy that an entry describes, None where a part of it is not the library's own."""
    if told.policy != _OURS or told.stop is not None or told.retry not in (None, _NEVER):
        return None
    numbers: dict[str, Any] = {
        name: getattr(told, name)
        for name in ("first_try_seconds", "give_up_after_seconds", "stable_after_seconds", "max_wait_seconds")
    }
    try:
        wait = _wait(told.wait)
        return None if wait is None else RetryPolicy(wait=wait, retry=never if told.retry == _NEVER else None, **numbers)
    except (BadArgument, ValueError, TypeError):
        return None


def _wait(text: str | None) -> Any:
    """Return one of our waits as its repr says it, None for any other."""
    match = _CALL.fullmatch(text or "")
    if match is None:
        return None
    given = {name: msgspec.json.decode(_listed(value)) for name, value in re.findall(r"(\w+)=(\([^)]*\)|[^,]+)", match[2])}
    if match[1] == "steps":
        return steps(*given.pop("seconds", ()), **given)
    return {"full_jitter": full_jitter, "proportional_jitter": proportional_jitter}[match[1]](**given)


def _listed(value: str) -> str:
    """Return a number, or a tuple of numbers as JSON has it."""
    return "[" + value.strip("() ").rstrip(",") + "]" if value.startswith("(") else value.strip()


def _words(answer: RetryAnswer) -> str:
    return f"an end ({answer.reason})" if answer.retry_in is None else f"{answer.retry_in!r} s ({answer.reason})"
