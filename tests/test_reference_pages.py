"""The reference pages: made from the code, up to date, and complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import reconnect
from docs.generate import __main__ as generate
from docs.generate.api import ELSEWHERE
from reconnect import errors, limits
from reconnect.client.observers import PLATFORM_NAMES
from reconnect.core import frames
from reconnect.core.notices import PUBLISHER_NOTICES, SESSION_NOTICES, SUBSCRIBER_NOTICES
from reconnect.reasons import STANDARD_CLOSE_CODES, CloseCode, OutcomeStatus, Reason, RejectCode, ResumeRefusal
from tests.pages import first_cells, headings

REFERENCE = generate.DOCS / "reference"


def text_of(page: str) -> str:
    return (REFERENCE / page).read_text(encoding="utf-8")


def test_the_generated_pages_are_up_to_date() -> None:
    assert generate.write_pages(check=True) == [], "run: python -m docs.generate"


def test_a_stale_page_is_named_and_made_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another folder, and with two small pages."""
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    monkeypatch.setattr(generate, "PAGES", {"reference/one.md": lambda: "one\n", "two.svg": lambda: "two\n"})
    assert (generate.main(["--check"]), list(tmp_path.iterdir())) == (1, [])
    assert capsys.readouterr().out == "docs/reference/one.md: not up to date\ndocs/two.svg: not up to date\n"
    assert (generate.main([]), generate.main(["--check"])) == (0, 0)
    (tmp_path / "two.svg").write_text("edited\n", encoding="utf-8")
    capsys.readouterr()
    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().out == "docs/two.svg: not up to date\n"
    assert (tmp_path / "reference" / "one.md").read_bytes() == b"one\n"


def test_the_api_page_has_the_public_names_and_no_others() -> None:
    text = text_of("api.md")
    listed = re.findall(
        r"^\| \[?`(\w+)`(?:\]\(\w+(?:-\w+)*\.md\))? \|", text[text.index("## Events") : text.index("## Beyond")], re.M
    )
    names = [name for name in headings(text) if "." not in name] + listed
    assert sorted(names) == sorted(reconnect.__all__)
    beyond = [f"{module}.{name}" for module, names in ELSEWHERE.items() for name in names]
    assert sorted(headings(text, "####")) == sorted(beyond)


def test_every_event_has_its_section_with_its_fields() -> None:
    text = text_of("events.md")
    kinds = [*SESSION_NOTICES, *PUBLISHER_NOTICES, *SUBSCRIBER_NOTICES]
    sections = re.split(r"^### `(\w+)`$", text, flags=re.MULTILINE)
    told = list(zip(sections[1::2], sections[2::2], strict=True))
    assert [name for name, _ in told] == [kind.name for kind in kinds]
    for (name, section), kind in zip(told, kinds, strict=True):
        assert section.strip().startswith(f"`{kind.__name__}`."), name
        fields = set(kind.__struct_fields__) - {"at", "key"}
        assert {cell for cell in first_cells(section) if cell in fields} == fields, name
    for theirs, ours in PLATFORM_NAMES.items():
        assert f"| `{ours}` | " in text
        assert f"| `{theirs}` |" in text


def test_every_error_stands_on_its_page_and_in_the_tree() -> None:
    text = text_of("errors.md")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ReconnectError)]
    assert sorted(first_cells(text)) == sorted(kind.__name__ for kind in kinds)
    tree = re.findall(r"(?:├──|└──) (\w+) ", errors.__doc__ or "")
    assert sorted([*tree, "ReconnectError"]) == sorted(kind.__name__ for kind in kinds)
    parents = [line.split(" | ")[1] for line in text.splitlines() if line.startswith("| `") and " | " in line]
    assert len(parents) == len(kinds)


def test_every_reason_outcome_code_and_refusal_stands_on_its_page_with_a_meaning() -> None:
    text = text_of("reasons.md")
    words = [*Reason, *OutcomeStatus, *RejectCode, *ResumeRefusal]
    assert sorted(first_cells(text)) == sorted(map(str, words))
    assert [line for line in text.splitlines() if re.search(r"^\| `.*\|\s+\|$", line)] == []


def test_every_close_code_stands_on_its_page() -> None:
    codes = [int(cell) for cell in first_cells(text_of("close-codes.md")) if int(cell) >= 1000]
    assert codes == [*map(int, CloseCode), *STANDARD_CLOSE_CODES]


def test_every_limit_stands_on_its_page_with_a_reason() -> None:
    text = text_of("limits.md")
    table = text[: text.index("## Of single modules")]
    names = [name for name in vars(limits) if name.isupper()]
    assert first_cells(table) == names
    unexplained = [line for line in table.splitlines() if line.startswith("| `") and not line.split(" | ")[3].strip(" |")]
    assert unexplained == []


def test_every_frame_stands_on_its_page() -> None:
    kinds = [kind for kind in vars(frames).values() if isinstance(kind, type) and issubclass(kind, frames.Frame)]
    tags = [str(kind.__struct_config__.tag) for kind in kinds if kind not in (frames.Frame, frames.Unknown)]
    assert sorted(headings(text_of("wire.md"))) == sorted(tags)
