"""Which behaviour is shown by which test: keeps `docs/coverage.md`, made from the names and docstrings of the tests.

    python tests/coverage_page.py            name what is open, and say whether the page is true
    python tests/coverage_page.py --write    write the page anew

A test claims a behaviour by carrying its id (S01, K09, R11 ...) in its name or docstring.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "coverage.md"
SHOWN: Final = 3  # tests named for each id; the page is to be read

GROUPS: Final = {
    "S": "States, transitions, events",
    "B": "Back-off, deadlines, hints",
    "K": "Classification, credentials",
    "Q": "Outgoing signals",
    "R": "Resume, replay, gap",
    "P": "Peers: streams that drop and resume",
    "H": "Heartbeat, half-open links",
    "D": "Drain, overload, memory (hub)",
    "U": "User code, audit, hygiene",
    "A": "Faults, bad input and load",
}

# One line for each behaviour that a reconnecting session must show; `*` marks the core ones.
_POINTS: Final = """
S01 * an unexpected close is one transition, one `reconnecting`, one timer
S02 * an input that changes no state tells no state event
S03 * a change carries from, to, trigger and reason, and a scheduled attempt its number and delay
S04 * any script of inputs walks declared transitions only; others are refused, audited, and change nothing
S05 * disconnected, nothing happens by itself; connect() starts over
S07 * reconnect_now() cancels the wait and starts the one attempt at once
S08 * disconnect() during the wait ends at that instant, told once
S09 * disconnect() during a dial never ends in connected; a late success is closed and audited
S10 - disconnect() while connected says goodbye and ends, whatever comes first
S11 * an old transport's reports change nothing and are audited
S12 * an open socket is not a connection; reconnected only when the hub accepted
S13 * public events follow the grammar in any run
S15 - the last error is kept until a connect succeeds
S17 - the first connect raises, or retries if asked to
S18 * after any end, connect() and automatic reconnection work again
B01 * a policy's numbers are kept exactly, without a hidden delay
B02 - coefficients exact, jitter in range
B03 * the announced delay is the time to the next attempt
B04 * a fleet that drops together does not return together
B05 * accepting and closing at once earns no earlier retry
B07 * a dial that never ends is ended by its deadline
B08 * no attempt starts after the stop
B09 * a broken policy ends the episode with a typed reason
B11 * the hub's retry_after is obeyed exactly, or ends
B12 - a network-online hint tries now
B13 - a network-offline hint is a loss at once
B15 - several addresses: the primary first, then the others
B16 - an address that keeps failing is dropped
B17 * the machine's sleep is noticed and answered by a probe
K01 * a final verdict ends, whatever the policy allows
K02 * a retryable verdict reconnects
K04 - an unclassified error has one documented answer
K05 * an expired token is renewed once, then waits like any failure
K08 * `the connection is gone` joins anew, without resume
K09 * taken over: no automatic retry
Q01 * a signal submitted while away waits, unwritten
Q02 * one that opted out is dropped at once and never sent
Q03 * what was held goes ahead of what is submitted later
Q04 * unjudged signals are resent in order, then the queued, each once
Q05 * resent signals keep sender and serial, and are marked as possible repeats
Q06 * on entering disconnected every pending signal has its outcome
Q08 * a full outbox does what its policy says, never silently
Q09 * submitted = the sum of all outcomes and the pending, in any run
Q10 * a signal whose ttl lapses while queued expires then
Q11 - the rest of the ttl travels
Q12 * a failed signal says whether it may have been sent
Q13 * cumulative acknowledgements; one too high replaces the transport
Q14 - not resumed: judged ones settled, the rest only if opted in
Q16 - after a reconnect at most a window is in flight
Q18 - a signal for this connection only is dropped when it is lost
Q19 - drain() sends what is held, then ends
Q20 - a durable outbox survives the process
R01 * an attempt carries connection, secret and the position handled
R02 * resumed: the same connection, no gap, a new secret
R03 * not resumed: connected anew, the gap told once
R04 - a hole found later is told, or drops the transport
R05 * a hub that cannot replay everything says so before the next entry
R06 * what was handled already is not delivered again
R07 - what was missed comes in order, before anything newer
R08 * resumable from position 0, and after long idling
R09 * a resume while the old transport looks alive is accepted, twice in a row
R10 - two clients with one connection: the last one has it
R11 * secrets: random, bound, rotated, old ones refused
R12 * a resume is authenticated before anything is handed over
R13 * the grace is kept to the instant; its end is told once
R14 - leaving on purpose leaves no grace
R15 - a clean start, and a claim to what is not there
R16 * another life of the log refuses an old position
R20 - a resume at another node works or is refused quickly
R21 - always try to resume; the hub decides
P01 * a publisher's drop and return are told once each
P02 * the end of its grace ends the stream, once
P03 * leaving on purpose is no drop
P05 * a subscriber that was away learns what ended, without ghosts
P06 - a new connection publishes its streams again
P07 * a late end of an old incarnation is ignored
H01 * silence is a loss, on a deadline of our own
H02 * anything heard postpones it, nothing sent does
H03 - the hub's heartbeat replaces the client's
H05 - pings are answered one by one
D01 * drain: each member is sent away and comes back
D02 - a drain is spread over its window
D03 - too many handshakes are told to come later
D04 * a slow reader is dropped, and nobody else notices
D05 * members that never return cost nothing after their grace
U01 * an observer that raises changes nothing
U04 * an observer that hangs changes nothing
U05 * a cancelled call changes nothing
U06 * an audit, replayed through the chart, gives the same run
U07 * the same seed gives the same audit, byte for byte
U08 - an audit record has all its fields, and no token or payload
U09 * after the end nothing is left running
U10 - the diagrams are the charts
U12 - wrong use is a documented error in every state
A1 * the same seed gives the same journals in every process
A2 * a mill of random faults breaks no promise, and everything recovers in time
A3 * mistakes that are planted are found
A4 * swizzled partitions leave nobody stuck
A5 * every pair of events in the same tick, in every reachable state
A6 * steps of the wall clock move nothing but tokens
A7 * what opted out is never delivered late, and each drop has its record
A8 * a gap is never silent: told exactly, once, before what follows it
A9 * unknown is not failure: acknowledgements lost on the way back
A10 * the history check names each broken promise rightly
A11 * unusual worlds: each quirk is met, and none breaks a promise
A23 * a device that is killed again and again: what it knew to be stored arrives, once and in order
A28 * after a power cut everything that was confirmed is on the disk
A29 * a crash at any write leaves what was confirmed, and a sound file
A30 * a flush that fails is no confirmation, and the file is opened and checked anew
A31 * a full disk is an error of the caller, and all is well once there is room
A32 * a slow disk makes batches larger, and holds up nothing
A33 * a flipped bit is never handed out, and never stays unnoticed
A34 * ten thousand edits of a journal: each found, and the first bad line named
A35 * a second opener is refused within a second, and the first goes on
A53 * no token, secret, payload or marked field in journal, logs, repr or errors
A54 * no character in a name or a text makes a line, or breaks a chain
"""

POINTS: Final = {name: (mark == "*", text) for name, mark, text in (line.split(" ", 2) for line in _POINTS.strip().splitlines())}

# Wanted for the first release: the core of these groups, and these of the others.
NEEDED: Final = frozenset(
    {name for name, (core, _) in POINTS.items() if core and name[0] in "SBKHP"}
    | {f"Q{number:02}" for number in (1, 2, 3, 4, 5, 6, 9)}
    | {f"R{number:02}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16)}
    | {"U01", "U04", "U05", "U09"}
    | {f"A{number}" for number in range(1, 12)}
)

# The other cases of the last group are wanted later: tests may carry their ids, and no row counts them yet.
_ID: Final = re.compile(rf"\b(?:A[1-9]|A1[01]|A23|A2[89]|A3[0-5]|A5[34]|[{''.join(sorted(set(GROUPS) - {'A'}))}][0-9]{{2}})\b")


def claims(folder: Path = ROOT / "tests") -> dict[str, list[str]]:
    """Return for each id the tests that carry it, as `tests/test_x.py::test_y`, in order of the files."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        for name, text in _tests(ast.parse(path.read_text(encoding="utf-8"))):
            words = {word.upper() for word in name.split("_")} | set(_ID.findall(text))
            for point in sorted(word for word in words if _ID.fullmatch(word)):
                found.setdefault(point, []).append(f"{path.relative_to(folder.parent).as_posix()}::{name}")
    return found


def _tests(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield name and docstring of each test, and of each class (a stateful test is one)."""
    for node in ast.walk(tree):
        test = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
        if test or isinstance(node, ast.ClassDef):
            assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            yield node.name, ast.get_docstring(node) or ""


def page(found: dict[str, list[str]]) -> str:
    """Return the page for these claims."""
    core, covered = sum(core for core, _ in POINTS.values()), sum(bool(found.get(name)) for name in POINTS)
    lines = [
        "# Behaviours and the tests that show them",
        "",
        f"{len(POINTS)} behaviours that a reconnecting session must show, {core} of them core (●). {covered} are covered by a",
        "test that carries the id in its name or docstring; the others are open.",
        "",
        "Made by `python tests/coverage_page.py --write`; `tests/test_coverage_page.py` keeps it true.",
    ]
    for letter, title in GROUPS.items():
        lines += [
            "",
            f"## {letter}: {title}",
            "",
            "| id | core | behaviour | status | tests |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [_row(name, found.get(name, [])) for name in POINTS if name[0] == letter]
    return "\n".join(lines) + "\n"


def _row(name: str, tests: list[str]) -> str:
    core, text = POINTS[name]
    named = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in tests[:SHOWN])
    more = f"<br>and {len(tests) - SHOWN} more" if len(tests) > SHOWN else ""
    return f"| {name} | {'●' if core else ''} | {text} | {'covered' if tests else 'open'} | {named}{more} |"


def main(arguments: list[str]) -> int:
    """Run the command line; return 1 if the page is not true or a needed behaviour is open."""
    found = claims()
    if "--write" in arguments:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(found), encoding="utf-8")
    true = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page(found)
    missing = [name for name in POINTS if name in NEEDED and name not in found]
    print(f"{sum(name in found for name in POINTS)} of {len(POINTS)} covered; the page is {'true' if true else 'not up to date'}")
    print(f"needed and open: {', '.join(missing) or 'none'}")
    return 0 if true and not missing else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
