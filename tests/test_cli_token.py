"""`reconnect token`: the token alone on stdout, and everything else for whoever looks on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from reconnect.auth import ROLES, TokenAuthenticator, make_token, peek
from reconnect.cli.app import app
from reconnect.cli.options import remark, warn
from reconnect.cli.token import in_a_sentence, token_facts
from reconnect.core.frames import Join
from reconnect.core.hub.records import Role
from tests.terminals import SECRET, Command


def token(*arguments: str, **variables: str | None) -> Result:
    return CliRunner().invoke(app, ["token", *arguments], env={"RECONNECT_SECRET": SECRET, **variables})


def test_the_token_stands_alone_on_stdout_and_a_hub_takes_it() -> None:
    done = token("--session", "room-1", "--name", "anna", "--role", "moderator", "--data", "blue", "--lifetime", "90s")
    assert done.exit_code == 0
    assert done.output.count("\n") == 1
    joined = Join(token=done.output.strip(), session="room-1", sender="s")
    principal = asyncio.run(TokenAuthenticator(SECRET)(joined))
    assert (principal.client_id, principal.role, principal.data) == ("anna", "moderator", "blue")
    claims = peek(done.output.strip())
    assert claims is not None
    assert claims.exp - json_of(done)["iat"] == pytest.approx(90.0)


def json_of(done: Result) -> dict[str, Any]:
    import base64

    segment = done.output.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return found


def test_names_are_random_where_none_is_given_and_roles_that_of_a_publisher() -> None:
    first, second = (peek(token("--session", "room-1").output.strip()) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.role == second.role == "publisher"
    assert first.sub != second.sub


def test_json_says_what_the_token_says() -> None:
    done = token("--session", "room-1", "--name", "anna", "--json")
    facts = json.loads(done.output)
    claims = peek(facts.pop("token"))
    assert claims is not None
    assert facts.pop("expires_at").endswith("+00:00")
    assert facts == {"session": "room-1", "role": "publisher", "client_id": "anna", "data": "", "lifetime_seconds": 3_600.0}
    assert (claims.session, claims.sub) == ("room-1", "anna")


def test_the_secret_comes_from_a_file_as_well(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    file.chmod(0o644)
    done = token("--session", "room-1", "--secret-file", str(file), RECONNECT_SECRET=None)
    assert done.exit_code == 0
    assert "warning: others on this machine can read the secret in" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--session"),
        (["--session", ""], "session must be a string of 1 to 256 characters"),
        (
            ["--session", "room-1", "--role", "king"],
            "error: --role: there is no 'king'; it is one of subscriber, publisher, moderator",
        ),
        (
            ["--session", "room-1", "--lifetime", "long"],
            "--lifetime: 'long' is no duration; write it as 90s, 15m, 1h, 1h30m or 7d",
        ),
        (["--session", "room-1", "--data", "x" * 1_001], "data must be a string of 0 to 1000 characters"),
    ],
)
def test_what_is_not_usable_is_a_sentence_and_a_mistake_in_usage(arguments: list[str], words: str) -> None:
    done = token(*arguments)
    assert (done.exit_code, words in " ".join(done.output.split())) == (2, True), done.output


def test_without_a_secret_it_says_where_to_put_it() -> None:
    done = token("--session", "room-1", RECONNECT_SECRET=None)
    assert done.exit_code == 2
    assert " ".join(done.output.split()) == (
        "error: a token is signed with the hub's secret, and there is none here; put it into RECONNECT_SECRET, "
        "or name its file with --secret-file"
    )


def test_the_person_who_made_it_is_told_what_it_is_good_for() -> None:
    facts = token_facts(SECRET, session="room-1", role="publisher", name="anna", data="", lifetime_seconds=3_600.0)
    facts["expires_at"] = "2026-01-02T03:04:05+00:00"
    assert in_a_sentence(facts).startswith("anna, publisher of session room-1, good for 1 h, until 2026-01-0")


def test_remarks_are_for_terminals_and_warnings_for_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    remark("not said")
    warn("said")
    assert capsys.readouterr().err == "warning: said\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    remark("said as well")
    assert "said as well" in capsys.readouterr().err


def test_the_roles_are_those_of_tokens() -> None:
    assert set(Role) == set(ROLES)


@pytest.mark.parametrize("text", ["", "garbage", "a.b.c", "a.bm90IGpzb24.c", "a.e30.c", "a.\u00fc.c"])
def test_what_cannot_be_read_is_not_shown(text: str) -> None:
    assert peek(text) is None


def test_what_a_token_says_can_be_read_without_the_secret() -> None:
    claims = peek(make_token(SECRET, session="room-1", client_id="anna"))
    assert claims is not None
    assert (claims.session, claims.sub, claims.role) == ("room-1", "anna", "publisher")


def test_it_can_stand_in_another_command() -> None:
    with Command("token", "--session", "room-1", "--name", "anna", RECONNECT_SECRET=SECRET) as made:
        assert made.end() == 0
    (line,) = made.seen
    claims = peek(line)
    assert claims is not None
    assert claims.sub == "anna"
