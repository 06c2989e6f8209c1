"""The documentation: what it shows runs, what it links to is there, and what it says of the code is what the code says.

Pages run each in an interpreter of its own (`tests/pages.py`), a few at a time, against a real hub on loopback.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
from typer.main import get_command

import reconnect
from reconnect.cli.show import MEANING, words
from reconnect.client.observers import PLATFORM_NAMES
from reconnect.reasons import Reason
from tests.pages import blocks, examples, first_cells

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
READ = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]  # what a user reads
LINKED = [*READ, ROOT / "statecharts" / "README.md", *sorted((ROOT / "diagrams").glob("*.md"))]
RUN = [path for path in READ if any(examples(path.read_text(encoding="utf-8")))]
AT_A_TIME = 3
# What a page lets fail on purpose is seen on stderr, as by a user who configured no logging: this line, and a traceback.
FAILS_ON_PURPOSE = {
    "docs/howto/handle-each-signal-once.md": "a reader of signals died; what it had not acknowledged comes again",
}
PATIENCE_SECONDS = 60.0  # it only catches a hang


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


# -- what is shown runs --------------------------------------------------------------------------------------------------------


def run_page(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "tests.pages", str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


@pytest.fixture(scope="module")
def running() -> Iterator[dict[Path, Future[subprocess.CompletedProcess[str]]]]:
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {path: pool.submit(run_page, path) for path in RUN}


@pytest.mark.parametrize("path", RUN, ids=name_of)
def test_a_page_runs_as_it_is_written(path: Path, running: dict[Path, Future[subprocess.CompletedProcess[str]]]) -> None:
    done = running[path].result()
    meant = FAILS_ON_PURPOSE.get(name_of(path), "")
    first, *more = done.stderr.splitlines() or [""]
    assert (done.returncode, first, [line for line in more if line.startswith("Traceback")][1:]) == (0, meant, []), done.stderr
    assert bool(more) is bool(meant), done.stderr
    assert done.stdout == f"{path}: {len(list(examples(text_of(path))))} blocks ran\n"


def test_pages_with_code_are_those_that_ought_to_have_some() -> None:
    assert {name_of(path) for path in RUN} >= {"README.md", "docs/tutorial.md"}
    assert set((DOCS / "howto").glob("*.md")) <= set(RUN)


def test_a_page_that_prints_something_else_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(0.25)\n```\n\n```text\n0.75\n```\n", encoding="utf-8")
    assert run_page(page).returncode == 0  # numbers may differ
    page.write_text("# Page\n\n```python\nprint('one')\n```\n\n```text\ntwo\n```\n", encoding="utf-8")
    done = run_page(page)
    assert done.returncode == 1
    assert "line 4 prints\none\nand the page says\ntwo" in done.stderr


def test_a_block_shares_names_and_awaits(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nimport asyncio, reconnect\n```\nand\n"
        "```python\nawait asyncio.sleep(0)\nassert url and port and secret and token\n"
        "async with reconnect.connect(url, session='room-1', token=token) as session:\n    print(session.state)\n```\n"
        "```text\nconnected\n```\n",
        encoding="utf-8",
    )
    assert run_page(page).returncode == 0


# -- what is linked is there ---------------------------------------------------------------------------------------------------


def links(path: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(text_of(path))):
        if "://" not in target:
            yield target


def anchors(path: Path) -> set[str]:
    """Return the names by which GitHub links to the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", without_blocks(text_of(path)), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", LINKED, ids=name_of)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    broken = []
    for target in links(path):
        place, _, anchor = target.partition("#")
        found = (path.parent / place).resolve() if place else path
        if not found.exists() or not found.is_relative_to(ROOT) or (anchor and anchor not in anchors(found)):
            broken.append(target)
    assert broken == []


def test_the_index_leads_to_every_page() -> None:
    index = {(DOCS / target.partition("#")[0]).resolve() for target in links(DOCS / "README.md")}
    pages = {path for path in DOCS.rglob("*.md") if path != DOCS / "README.md"}
    assert {name_of(path) for path in pages - index} == set()


@pytest.mark.parametrize("path", READ, ids=name_of)
def test_a_page_speaks_of_the_project_alone(path: Path) -> None:
    """No path of a machine, no host of a package index."""
    assert re.findall(r"(?<![\w.:])/(?:tmp|home|root|work|Users|opt|var)/\S*", text_of(path)) == []
    assert re.findall(r"\S*(?:pypi|index-url|localhost)\S*", text_of(path)) == []


# -- the command line ----------------------------------------------------------------------------------------------------------


def command_lines(path: Path) -> Iterator[str]:
    """Yield what a page tells the reader to type: the lines of console blocks, and commands within a sentence."""
    text = text_of(path)
    for block in blocks(text):
        if block.language == "console":
            yield from (part for line in block.text.splitlines() for part in re.split(r"\s*(?:&&|\$\(|\))\s*", line) if part)
    yield from re.findall(r"`(reconnect [a-z][^`]*|python -m [^`]*|python tests/[^`]*)`", without_blocks(text))


def _help(words: list[str]) -> str:
    """Return everything that the help of a command says; raise KeyError for a command that is not there."""
    group = get_command(reconnect_app())
    assert isinstance(group, click.Group) or hasattr(group, "commands")
    command = group.commands[words[0]]
    # A group, as `reconnect charts`: the command is one of its own.
    command = getattr(command, "commands", {}).get(words[1], command) if len(words) > 1 else command
    return " ".join(option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)) + " --help"


def reconnect_app() -> Any:
    from reconnect.cli.app import app

    return app


@pytest.mark.parametrize("path", READ, ids=name_of)
def test_every_command_line_is_one_that_there_is(path: Path) -> None:
    for line in command_lines(path):
        words = line.split()
        if words[0].rpartition("/")[2] == "reconnect":
            known = _help(words[1:]).split()
            assert [word for word in words[2:] if word.startswith("--") and word not in known] == [], line
        elif words[:2] == ["python", "-m"]:
            assert find_spec(words[2]) is not None, line
        elif words[0] == "python":
            assert (ROOT / words[1]).is_file(), line


# -- the recording -------------------------------------------------------------------------------------------------------------


def test_the_recording_speaks_as_the_demo_does() -> None:
    """Its numbers are of one run; its words are those that the demo has now."""
    recording = next(block.text for block in blocks(text_of(ROOT / "README.md")) if "The ledger:" in block.text)
    facts = {
        "reason": "closed",
        "attempt": 1,
        "retry_in": 0.5,
        "elapsed": 0.5,
        "resumed": True,
        "held": 2,
        "dropped": 2,
        "signals": 2,
    }
    shown = 0
    for who, event, said in re.findall(r"^ *\d+\.\d\d  (\w+) +((?:stream )?\w+(?: up)?)  +(.*)$", recording, flags=re.MULTILINE):
        key = event.replace("stream ", f"{who}.").replace(" ", "_")
        if key == "breaks":
            assert said in text_of(ROOT / "reconnect" / "cli" / "demo.py")
        else:
            assert re.sub(r"[\d.]+", "0", said) == re.sub(r"[\d.]+", "0", words({"event": key, **facts})), said
        shown += 1
    assert shown > 8
    for status, said in re.findall(r"^  (\w+) +\d+  (.*)$", recording, flags=re.MULTILINE):
        assert MEANING[status] == said


# -- sentences that the tutorial explains --------------------------------------------------------------------------------------


async def mistakes() -> list[str]:
    """Make the mistakes of the first ten minutes, and return the sentences that they get."""
    secret, other = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    good = reconnect.make_token(secret, session="room-1")
    told: list[str] = []

    async def join(url: str, session: str = "room-1", token: str = good) -> None:
        async with reconnect.connect(url, session=session, token=token):
            pass

    async with reconnect.Hub(secret).serve() as hub:
        session = reconnect.Session(hub.url, session="room-1", token=good)
        attempts: list[Callable[[], Any]] = [
            lambda: join("ws://127.0.0.1:9"),
            lambda: join(hub.url, token=reconnect.make_token(other, session="room-1")),
            lambda: join(hub.url, session="room-2"),
            lambda: join(hub.url, token=reconnect.make_token(secret, session="room-1", now=1_000_000_000.0)),
            lambda: session.on("reconecting", print),
            lambda: session.on("reconnecting", lambda: None),
            lambda: session.publish("camera").on("live", print),  # type: ignore[attr-defined]  # the mistake
            lambda: session.signal("too early"),
        ]
        for attempt in attempts:
            try:
                result = attempt()
                if asyncio.iscoroutine(result):
                    await result
            except (reconnect.ReconnectError, AttributeError) as error:
                told.append(str(error))
    return told


def test_the_tutorial_explains_the_sentences_that_mistakes_get() -> None:
    text = text_of(DOCS / "tutorial.md")
    rows = first_cells(text[text.index("## If it does not work") : text.index("## Where to go from here")])
    told = asyncio.run(mistakes())
    assert len(told) == len(rows)
    for row, sentence in zip(rows, told, strict=True):
        assert re.match(".*".join(map(re.escape, row.split("..."))), sentence), (row, sentence)


# -- words ---------------------------------------------------------------------------------------------------------------------


def test_the_glossary_has_each_word_once_and_in_order() -> None:
    words = re.findall(r"^\| ([a-z ,]+) \| ", text_of(DOCS / "glossary.md"), flags=re.MULTILINE)[1:]
    assert words == sorted(set(words))


def test_the_names_for_porters_are_names_of_ours() -> None:
    page = without_blocks(text_of(DOCS / "howto" / "port-from-javascript.md"))
    table = page[page.index("## Names") : page.index("## Reasons")]
    ours = [line.split(" | ")[1] for line in table.splitlines() if line.startswith(("| `", "| (none)"))]
    kinds = {"session": reconnect.Session, "publisher": reconnect.Publisher, "subscriber": reconnect.Subscriber}
    for owner, name in re.findall(r"\b(session|publisher|subscriber)\.(\w+)", " ".join(ours)):
        assert hasattr(kinds[owner], name), f"{owner}.{name}"
    for theirs, name in PLATFORM_NAMES.items():
        assert f"`{theirs}`" in table
        assert f"`{name}`" in table
    reasons = re.findall(
        r"^\| `\w+`.* \| (.*) \|$", page[page.index("## Reasons") : page.index("## Behaviour")], flags=re.MULTILINE
    )
    assert {word for cell in reasons for word in re.findall(r"`(\w+)`", cell)} <= set(Reason)
