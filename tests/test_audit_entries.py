"""The records of a journal and its page: each field stands on the page, and nothing is written that does not."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from reconnect.audit.entries import KINDS, Entry, Policy
from reconnect.audit.spelling import name_of
from reconnect.core import inputs
from reconnect.evidence.reading import decode
from tests.journals import records, story
from tests.pages import first_cells

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "reference" / "journal.md").read_text(encoding="utf-8")
COMMON = frozenset(field.encode_name for field in msgspec.structs.fields(Entry))
GATHERED = {"Flush", "Stored", "HandledUpTo", "Woke"}  # those that have an array


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def own_fields(kind: type[Entry]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind) if field.encode_name not in COMMON]


def test_the_page_has_every_kind_and_no_other() -> None:
    kinds = [title.strip("`") for title in sections() if title.startswith("`")]
    assert sorted(kinds) == sorted(KINDS)


def test_the_page_has_the_fields_of_every_line() -> None:
    assert set(first_cells(sections()["Fields of every line"])) == COMMON | {"record"}


@pytest.mark.parametrize("name", KINDS)
def test_the_page_has_each_field_with_its_meaning_and_its_source(name: str) -> None:
    rows = [line for line in sections()[f"`{name}`"].splitlines() if re.match(r"\| `\w+` \|", line)]
    assert sorted(re.findall(r"^\| `(\w+)` \|", "\n".join(rows), flags=re.MULTILINE)) == sorted(own_fields(KINDS[name]))
    for row in rows:
        _, _, meaning, source, _ = row.split("|")
        assert meaning.strip(), row
        assert source.strip(), row


def test_the_page_names_every_input() -> None:
    kinds = [kind for kind in vars(inputs).values() if isinstance(kind, type) and issubclass(kind, inputs.Input)]
    row = next(line for line in sections()["`input`"].splitlines() if line.startswith("| `what` |"))
    named = set(re.findall(r"`(\w+)`", row.split(" | ")[1]))
    assert named == {name_of(kind) for kind in kinds if kind is not inputs.Input and kind.__name__ not in GATHERED}


def test_nothing_is_written_that_the_page_does_not_have() -> None:
    """U08: what was written is what is read; a policy of the user's own may say more of itself."""
    for line, told in zip(story(), records(), strict=True):
        kind = KINDS[told["record"]]
        assert type(decode(line)) is kind
        assert told.keys() - {"record"} <= COMMON | set(own_fields(kind)), told
        read = {field.encode_name: getattr(decode(line), field.name) for field in msgspec.structs.fields(kind)}
        assert {key: read[key] for key in told if key != "record"} == {key: told[key] for key in told if key != "record"}
    assert set(own_fields(Policy)) >= {"seed", "drawn", "wait"}


def test_the_page_maps_what_the_standards_ask_for_to_fields_that_there_are() -> None:
    """U08: NIST SP 800-53 AU-3 a to f, PCI DSS 10.2.2's six, the log's own start and stop, and changes of it."""
    asked = sections()["What auditors ask for"]
    known = COMMON | {"record", "kind", "definition", *KINDS, *(field for kind in KINDS.values() for field in own_fields(kind))}
    assert set(re.findall(r"`(\w+)`", asked)) <= known
    assert [letter for letter in "abcdef" if f"AU-3 {letter}" not in asked] == []
    assert asked.count("10.2.2:") >= 5
    assert "10.2.1.6" in asked
    assert "10.3.4" in asked
