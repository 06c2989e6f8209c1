"""A conformance kit for transports: does one of your own keep what a session and a hub rely on (ports.Transport, ports.Dialer)?

    @asynccontextmanager
    async def place(attend):  # `attend` serves each transport that is accepted, to its end
        async with my_listener(attend) as listener:
            yield MyDialer(), listener.url

    def test_my_transport_is_one():
        check_transport(place)

Each check runs on an event loop of its own. All of them run, and what fails is told together, by the name of the check;
`TRANSPORT_CHECKS` says what each is about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final

from reconnect import limits
from reconnect.errors import BadArgument
from reconnect.record import Record
from reconnect.testing.ground import Broken, Factory, Ground
from reconnect.testing.transport_checks import CHECKS, Check

TRANSPORT_CHECKS: Final[dict[str, str]] = {name: (check.__doc__ or "").strip() for name, check in CHECKS.items()}
"""What is checked: the name of each check, and the rule that it holds a transport to."""


class Finding(Record, kw_only=True):
    """A rule that a transport breaks: the name of the check, and what it saw."""

    check: str
    problem: str


class NotATransport(AssertionError):
    """A transport breaks rules of the port: `findings` has them, and the sentence tells them all."""

    def __init__(self, findings: tuple[Finding, ...], checked: int) -> None:
        self.findings = findings
        lines = (f"\n  {finding.check}: {finding.problem}" for finding in findings)
        super().__init__(f"{len(findings)} of {checked} checks of this transport failed:{''.join(lines)}")


def check_transport(
    factory: Factory,
    *,
    only: Collection[str] = (),
    message_bytes: int = limits.MESSAGE_BYTES,
    patience_seconds: float = 2 * limits.CLOSE_TIMEOUT_SECONDS,
    run: Callable[[Coroutine[Any, Any, str | None]], str | None] = asyncio.run,
) -> None:
    """Run all checks, or `only` those named, on transports that `factory` listens for and dials; raise NotATransport.

    `factory(attend)` is an async context manager that listens, serves what it accepts with `attend`, and yields a dialer and the
    url to dial. `message_bytes` is the longest message that must pass; `patience_seconds` is how long anything may take before it
    counts as hanging. `run` runs one check: with `reconnect.testing.run` in virtual time, where there are no sockets.
    """
    unknown = sorted(set(only) - CHECKS.keys())
    if unknown:
        raise BadArgument(f"there is no check {', '.join(unknown)}; the checks are {', '.join(CHECKS)}")
    chosen = {name: check for name, check in CHECKS.items() if not only or name in only}
    findings: list[Finding] = []
    for name, check in chosen.items():
        problem = run(_problem(check, Ground(factory, message_bytes, patience_seconds)))
        if problem is not None:
            findings.append(Finding(check=name, problem=problem))
    if findings:
        raise NotATransport(tuple(findings), len(chosen))


async def _problem(check: Check, ground: Ground) -> str | None:
    """Return what is wrong by this check, None where nothing is; nothing that it started is left running."""
    before = asyncio.all_tasks()
    try:
        async with asyncio.timeout(5 * ground.patience_seconds):  # for what no step of the check waits for
            await check(ground)
    except Broken as broken:
        return str(broken)
    except TimeoutError:
        return f"it does not end within {5 * ground.patience_seconds:g} s"
    except Exception as error:
        return f"it raises {type(error).__name__}: {error}"
    finally:
        for task in asyncio.all_tasks() - before:
            task.cancel()
    return None
