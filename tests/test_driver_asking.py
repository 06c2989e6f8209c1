"""Asking a policy that may be anyone's: every answer is one that the core can live with."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from reconnect.core.question import RetryAnswer, RetryQuestion
from reconnect.driver.asking import ask
from reconnect.limits import POLICY_DETAIL_CHARACTERS
from reconnect.reasons import Cause, Reason
from reconnect.retry import RetryPolicy

QUESTION = RetryQuestion(cause=Cause(reason=Reason.CLOSED), attempt=1, streak=1, elapsed=0.0, at=0.0)


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Foreign:
    """A policy that answers, or raises, whatever it was given."""

    stable_after_seconds = 10.0

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def decide(self, question: RetryQuestion) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


async def later() -> RetryAnswer:
    return RetryAnswer(retry_in=1.0, reason=Reason.CLOSED)


class Promise:
    def __await__(self) -> Any:
        yield


@pytest.mark.parametrize("seconds", [0, 0.0, 5, 3.5, 7_200.0, None])
def test_answers_that_are_answers_pass_as_they_are(seconds: Any) -> None:
    answer = RetryAnswer(retry_in=seconds, reason=Reason.CLOSED, detail="because", renewal=True)
    assert ask(Foreign(answer), QUESTION) is answer
    assert ask(RetryPolicy(), QUESTION).retry_in is not None


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (ValueError("no idea"), "the retry policy raised ValueError: no idea"),
        (Silent(), "the retry policy raised Silent"),
        (asyncio.CancelledError(), "the retry policy raised CancelledError: "),
        (None, "the retry policy answered NoneType, not a RetryAnswer"),
        (2.0, "the retry policy answered float, not a RetryAnswer"),
        (Promise(), "the retry policy is asynchronous, and a policy is asked synchronously"),
        (RetryAnswer(retry_in=-1.0, reason=Reason.CLOSED), "the retry policy answered retry_in=-1.0, which is no delay"),
        (RetryAnswer(retry_in=math.nan, reason=Reason.CLOSED), "the retry policy answered retry_in=nan, which is no delay"),
        (RetryAnswer(retry_in=math.inf, reason=Reason.CLOSED), "the retry policy answered retry_in=inf, which is no delay"),
        (
            RetryAnswer(retry_in="soon", reason=Reason.CLOSED),  # type: ignore[arg-type]  # a record checks nothing at birth
            "the retry policy answered retry_in='soon', which is no delay",
        ),
        (RetryAnswer(retry_in=True, reason=Reason.CLOSED), "the retry policy answered retry_in=True, which is no delay"),
        (
            RetryAnswer(retry_in=None, reason="tired"),  # type: ignore[arg-type]  # neither does it here
            "the retry policy answered reason='tired', which is no Reason",
        ),
    ],
)
def test_whatever_else_it_does_ends_the_episode_with_a_sentence(answer: Any, sentence: str) -> None:
    """B09: a policy that raises, or answers a negative, infinite or missing delay."""
    assert ask(Foreign(answer), QUESTION) == RetryAnswer(retry_in=None, reason=Reason.POLICY_ERROR, detail=sentence)


def test_an_async_policy_is_told_so_and_its_coroutine_closed() -> None:
    answer = ask(Foreign(later()), QUESTION)
    assert answer.detail == "the retry policy is asynchronous, and a policy is asked synchronously"


def test_a_long_story_is_cut() -> None:
    assert len(ask(Foreign(ValueError("x" * 10_000)), QUESTION).detail) == POLICY_DETAIL_CHARACTERS


def test_an_interrupt_is_no_answer() -> None:
    with pytest.raises(KeyboardInterrupt):
        ask(Foreign(KeyboardInterrupt()), QUESTION)
