"""Examining a chart: what holds of the library's own, and what is found in charts that were broken on purpose, with its cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconnect.chart import chart_names, load_chart
from reconnect.chart.load import charts_folder, read_chart
from reconnect.evidence.examine import Examination, examine, examine_chart, explore, kind_of
from reconnect.evidence.findings import Finding, Property
from tests.derived_charts import ENDLESS, SUSPENDING, derived, derived_text

Edits = list[tuple[str, str]]


def broken(*edits: tuple[str, str], name: str = "session") -> Examination:
    """Examine a chart of the library with changes to its text; each change is made wherever it fits."""
    text = derived_text(name)
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return examine_chart(read_chart(text.encode(), "broken.toml"))


def one_of(found: Examination, cause: str) -> Finding:
    """Return the finding with this cause."""
    assert cause in [finding.cause for finding in found.findings], list(map(str, found.findings))
    return next(finding for finding in found.findings if finding.cause == cause)


def row(text: str) -> str:
    """Return a row of a chart, with a why."""
    return f"\n[[{text.strip()}\nwhy = 'Broken on purpose.'\n"


CONNECTED = ["connect()", "transport 1 opens", "the hub takes transport 1 as a new connection"]
WAYS = ("connecting", "reconnecting")
LEAVING_EARLY = 'from = ["{0}.dialing", "{0}.waiting"]\nto = "disconnected"\neffects = ["abort_transport"]'
ENDED_ONLINE = 'on = "ended"\nfrom = "connected"\nto = "disconnected"\neffects = ["abort_transport"]\n'

# What is broken, what is found (property, cause, words, row), and the shortest way to where it shows.
BROKEN: dict[str, tuple[Edits, Property, str, str, str | None, list[str]]] = {
    "leaving while dialing gives up no transport": (
        [(LEAVING_EARLY.format(way), LEAVING_EARLY.format(way).replace('"abort_transport"', "")) for way in WAYS],
        Property.NOTHING_STALE, "believed",
        "disconnected has no transport, and a report of the last one would be believed",
        "transitions[7] (disconnect_requested from connecting.dialing and 1 more)",
        ["connect()", "disconnect()"],
    ),
    "an attempt that fails gives up no transport": (
        [(f'from = ["{way}.dialing", "{way}.joining"]\nto = "{way}.waiting"\neffects = ["abort_transport"]',
          f'from = ["{way}.dialing", "{way}.joining"]\nto = "{way}.waiting"') for way in WAYS],
        Property.ONE_TRANSPORT, "left_open", "a transport is left open in connecting.waiting",
        "transitions[4] (deadline_passed from connecting.dialing and 1 more)",
        ["connect()", "the timer deadline is due; the retry policy says: again"],
    ),
    "a hint starts a second attempt beside the first": (
        [(f'on = "retry_requested"\nfrom = "{way}.waiting"', f'on = "retry_requested"\nfrom = ["{way}.waiting", "{way}.dialing"]')
         for way in WAYS]
        + [('"connecting.dialing", "connecting.joining", "reconnecting.dialing", "reconnecting.joining"]\nwhy = "A hint',
            '"connecting.joining", "reconnecting.joining"]\nwhy = "A hint')],
        Property.ONE_TRANSPORT, "second_transport",
        "a second transport is opened on the way to connecting.dialing, and the first one is open still",
        "transitions[6] (retry_requested from connecting.waiting and 1 more)",
        ["connect()", "reconnect_now()"],
    ),
    "joining begins without a socket": (
        [(f'on = "retry_due"\nfrom = "{way}.waiting"\nto = "{way}.dialing"',
          f'on = "retry_due"\nfrom = "{way}.waiting"\nto = "{way}.joining"') for way in WAYS],
        Property.ONE_TRANSPORT, "join_without_socket",
        "connecting.joining asks the hub to be let in, and no socket has just opened",
        "transitions[5] (retry_due from connecting.waiting)",
        ["connect()", "transport 1 ends; the retry policy says: again", "the timer retry is due"],
    ),
    "goodbye is said before there is a socket": (
        [('to = "disconnected"\neffects = ["abort_transport"]\nwhy = "Leaving before', 'to = "closing"\nwhy = "Leaving before')],
        Property.ONE_TRANSPORT, "goodbye_without_transport",
        "goodbye is said on the way to closing, and no hub is there to hear it",
        "transitions[7] (disconnect_requested from connecting.dialing and 1 more)",
        ["connect()", "disconnect()"],
    ),
    "one who is leaving does not notice that the link is gone": (
        [('on = "ended"\nfrom = "closing"\nto = "disconnected"\neffects = ["abort_transport"]\ntells = "disconnected"\n',
          'on = "ended"\nfrom = "closing"\n')],
        Property.ONE_TRANSPORT, "no_transport", "closing needs a transport, and there is none that it hears",
        "transitions[27] (ended from closing)",
        [*CONNECTED, "disconnect()", "transport 1 ends, for good"],
    ),
    "connected by the user's word": (
        [("[states.closing]", '[states.hopeful]\nrole = "online"\nwhy = "Broken."\n[states.closing]'),
         ("[timers]", '[events.hope]\nkind = "call"\nwhy = "Broken."\n[timers]'),
         ("# ---- refusals", row(
             'transitions]]\non = "hope"\nfrom = ["connecting.joining", "reconnecting.joining"]\nto = "hopeful"')
          + row('ignores]]\non = "hope"\nin = ["disconnected", "connecting.dialing", "connecting.waiting", "connected", '
                '"hopeful", "reconnecting.waiting", "reconnecting.dialing", "closing"]')
          + row('transitions]]\non = "disconnect_requested"\nfrom = "hopeful"\nto = "closing"')
          + row('ignores]]\non = ["connect_requested", "retry_requested", "transport_opened", "resumed", "joined", '
                '"attempt_failed", "transport_lost", "ended", "goodbye_answered", "retry_due", "deadline_passed", "stable", '
                '"close_due"]\nin = "hopeful"')
          + "# ---- refusals")],
        Property.ONE_TRANSPORT, "not_accepted", "hopeful counts as connected, and the hub has not accepted",
        "transitions[28] (hope from connecting.joining and 1 more)",
        ["connect()", "transport 1 opens", "feed('hope')"],
    ),
    "nobody waits for the deadline of a join": (
        [('entry = ["start:deadline", "send_join"]', 'entry = ["send_join"]')],
        Property.TIMERS, "not_armed", "connecting.joining waits for deadline_passed, and the timer deadline is not armed",
        "transitions[1] (transport_opened from connecting.dialing)",
        ["connect()", "transport 1 opens"],
    ),
    "a timer runs on": (
        [('exit = ["cancel:stable"]\n', "")],
        Property.TIMERS, "armed_for_nothing", "the timer stable is armed in closing, which does not wait for it",
        "transitions[11] (disconnect_requested from connected)",
        [*CONNECTED, "disconnect()"],
    ),
    "an end that is not told": (
        [(ENDED_ONLINE + 'tells = "disconnected"\n', ENDED_ONLINE)],
        Property.TOLD_ONCE, "not_told", "in disconnected the user was last told of a connection: the end was not told",
        "transitions[12] (ended from connected)",
        [*CONNECTED, "the hub says goodbye on transport 1, for good"],
    ),
    "an end that is told to one who was told of no beginning": (
        [('"close_transport"]\nwhy = "The hub may have accepted',
          '"close_transport"]\ntells = "disconnected"\nwhy = "The hub may have accepted')],
        Property.TOLD_ONCE, "told_out_of_turn", "'disconnected' is told to one who was told of no connection",
        "transitions[8] (disconnect_requested from connecting.joining)",
        ["connect()", "transport 1 opens", "disconnect()"],
    ),
    "an end that can happen and is refused": (
        [("[[transitions]]\n" + ENDED_ONLINE + 'tells = "disconnected"\n', '[[refuses]]\non = "ended"\nin = "connected"\n')],
        Property.POSSIBLE, "refused", "ended is refused in connected, and it can happen there",
        "refuses[0] (ended in connected)",
        [*CONNECTED, "the hub says goodbye on transport 1, for good"],
    ),
    "a claim that is never forgotten": (
        [('"settle_all", "forget_connection"', '"settle_all"'),
         ('forget_connection  = "connection, secret, position and wants are forgotten"\n', "")],
        Property.POSSIBLE, "refused", "resumed is refused in connecting.joining, and it can happen there",
        "refuses[4] (resumed in connecting.joining)",
        [*CONNECTED, "the hub says goodbye on transport 1, for good", "connect()", "transport 2 opens",
         "the hub takes transport 2 as the connection that was lost"],
    ),
    "leaving is ignored": (
        [('from = "connected"\nto = "closing"\n', 'from = "connected"\n'),
         ('from = "reconnecting.joining"\nto = "disconnected"\neffects = ["send_goodbye", "close_transport"]\n'
          'tells = "disconnected"', 'from = "reconnecting.joining"\nto = "closing"')],
        Property.CLOSES, "does_not_leave", "disconnect() in connected does not leave",
        "transitions[11] (disconnect_requested from connected)",
        [*CONNECTED, "disconnect()"],
    ),
    "one who is leaving comes back": (
        [('on = "close_due"\nfrom = "closing"\nto = "disconnected"\neffects = ["abort_transport"]\ntells = "disconnected"',
          'on = "close_due"\nfrom = "closing"\nto = "connecting"\neffects = ["abort_transport"]')],
        Property.CLOSES, "comes_back", "who is leaving comes back: from closing to connecting.dialing",
        "transitions[25] (close_due from closing)",
        [*CONNECTED, "disconnect()", "the timer close is due"],
    ),
    "a session is born connected": (
        [('initial = "disconnected"', 'initial = "connected"')],
        Property.ONE_TRANSPORT, "no_transport", "connected needs a transport, and there is none that it hears", None, [],
    ),
    "nothing ends a farewell": (
        [('entry = ["send_goodbye", "start:close"]\nexit = ["cancel:close"]', 'entry = ["send_goodbye"]'),
         ('close    = { event = "close_due",       seconds = "settings.close_timeout",     why = "politeness has a limit" }\n',
          ""),
         ('close_due            = { kind = "timer",     why', 'close_due            = { kind = "call",      why')],
        Property.FIT, "ChartUnfit", "it means close_due, and is of the kind call", "events.close_due", [],
    ),
    "a round that no policy is asked about": (
        [('to = "disconnected"\neffects = ["abort_transport"]\nwhy = "A failed first connect',
          'to = "connecting"\neffects = ["abort_transport"]\nwhy = "Broken: ')],
        Property.COMES_TO_AN_END, "goes_round",
        "from connecting.dialing a session may go round for ever, asking no policy: to connecting.dialing",
        "transitions[9] (ended from connecting)",
        ["connect()", "transport 1 ends; the retry policy says: no more", "transport 2 ends; the retry policy says: no more"],
    ),
    "a row that nothing takes": (
        [('entry = ["send_goodbye", "start:close"]', 'entry = ["start:close"]')],
        Property.REACHABLE, "untaken_row", "whatever happens, the row is never taken",
        "transitions[24] (goodbye_answered from closing)", [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_chart_is_found_out_with_its_cause_and_the_shortest_way(name: str) -> None:
    edits, property, cause, words, place, events = BROKEN[name]
    found = broken(*edits)
    finding = one_of(found, cause)
    assert (finding.property, finding.words, list(finding.events)) == (property, words, events)
    assert finding.row == place
    assert finding.remedy or cause == "untaken_row"


# -- charts that are derived ---------------------------------------------------------------------------------------------------


def test_a_derived_chart_that_is_right() -> None:
    found = examine_chart(derived("session", SUSPENDING))
    assert (found.kind, found.findings) == ("session", ())


def test_a_word_of_the_charts_own_may_be_told_again_while_away() -> None:
    again = row('transitions]]\non = "suspend_requested"\nfrom = "suspended"\nto = "suspended"\ntells = "suspended"')
    ignored = 'on = ["suspend_requested", "connect_requested", '
    assert ignored in SUSPENDING
    text = SUSPENDING.replace(ignored, 'on = ["connect_requested", ') + again
    assert examine_chart(derived("session", text)).findings == ()


def test_a_state_that_only_seems_to_be_reachable() -> None:
    """Rows lead there; but nothing ever happens in which they would be taken."""
    limbo = (
        '[states.limbo]\nrole = "recovering"\nwhy = "Broken."\n'
        + row('transitions]]\non = "hope"\nfrom = "limbo"\nto = "reconnecting.dialing"')
        + row('ignores]]\non = "hope"\nin = ["disconnected", "connecting", "connected", "reconnecting", "closing"]')
        + '[events.hope]\nkind = "call"\nwhy = "Broken."\n'
        + row('ignores]]\non = ["connect_requested", "retry_requested", "disconnect_requested"]\nin = "limbo"')
        + row('refuses]]\non = ["transport_opened", "resumed", "joined", "attempt_failed", "transport_lost", "ended", '
              '"goodbye_answered", "retry_due", "deadline_passed", "stable", "close_due"]\nin = "limbo"')
    )  # fmt: skip
    waiting = ('on = "ended"\nfrom = "reconnecting"\n', 'on = "ended"\nfrom = ["reconnecting.dialing", "reconnecting.joining"]\n')
    lost = row('transitions]]\non = "ended"\nfrom = "reconnecting.waiting"\nto = "limbo"')
    text = derived_text("session", limbo, lost).replace(*waiting)
    found = examine_chart(read_chart(text.encode(), "broken.toml"))
    finding = one_of(found, "unreached_state")
    assert (finding.property, finding.row) == (Property.REACHABLE, "states.limbo")
    assert finding.words == "whatever happens, nothing leads to limbo"
    assert one_of(found, "untaken_row").row == "transitions[28] (hope from limbo)"


def test_an_exploration_says_what_it_is() -> None:
    assert repr(explore(load_chart("session"), "session")) == "<Exploration session scenes=93 findings=0>"


def test_a_state_in_which_a_session_may_stay() -> None:
    found = examine_chart(derived("session", ENDLESS))
    finding = one_of(found, "stays")
    assert [finding] == list(found.findings)
    assert finding.property is Property.COMES_TO_AN_END
    assert finding.words == "a session may stay in suspended for ever: nothing leads out of it but the network or the user"
    assert list(finding.events) == [*CONNECTED, "feed('suspend_requested')"]
    assert str(finding) == f"my_session.toml: {finding.words}; let a timer lead out of it"
    assert str(found) == "my_session.toml: 1 found"


# -- charts of other lives -----------------------------------------------------------------------------------------------------


def test_what_is_over_stays_over() -> None:
    reborn = ('on = ["wanted", "answered", "refused", "interrupted", "restored", "ended"]\nin = ["ended"]',
              'on = ["answered", "refused", "interrupted", "restored", "ended"]\nin = ["ended"]')  # fmt: skip
    found = broken(reborn, ('on = "wanted"\nfrom = "offline"', 'on = "wanted"\nfrom = ["offline", "ended"]'), name="publisher")
    finding = one_of(found, "comes_back")
    assert finding.property is Property.COMES_TO_AN_END
    assert finding.words == "ended is over by its role, ended, and a row leads out of it"
    assert list(finding.events) == ["ended"]


def test_a_life_without_an_end() -> None:
    found = broken(
        ('on = "ended"\nfrom = ["connecting", "connected", "disconnected"]', 'on = "ended"\nfrom = ["connecting"]'),
        ('on = "refused"\nfrom = ["connecting", "connected", "disconnected"]', 'on = "refused"\nfrom = ["connecting"]'),
        ('on = ["interrupted", "restored"]\nin = ["connecting"]',
         'on = ["ended", "refused"]\nin = ["connected", "disconnected"]\nwhy = "Broken."\n[[ignores]]\n'
         'on = ["interrupted", "restored"]\nin = ["connecting"]'),
        name="subscriber",
    )  # fmt: skip
    finding = one_of(found, "stays")
    assert finding.property is Property.COMES_TO_AN_END
    assert finding.words == "from connected nothing that may happen leads to an end"
    assert list(finding.events) == ["answered"]


def test_a_timer_of_another_life() -> None:
    finding = one_of(broken(('entry = ["tell_dropped", "start:grace"]', 'entry = ["tell_dropped"]'),
                            ('entry = ["send_welcome"]', 'entry = ["send_welcome", "start:grace"]'), name="member"),
                     "armed_for_nothing")  # fmt: skip
    assert finding.property is Property.TIMERS
    assert finding.words == "the timer grace is armed in present, which does not wait for it"
    assert list(finding.events) == ["entered"]


LAMP = """
chart = "lamp"
version = 1
initial = "off"
why = "A lamp."
[events.switched]
kind = "call"
why = "Somebody wants it."
[events.burnt_out]
kind = "verdict"
why = "Its life is over."
[states.off]
role = "dark"
why = "Dark."
[states.on]
role = "bright"
why = "Bright."
[states.dead]
role = "dark"
why = "Dark for ever."
[[transitions]]
on = "switched"
from = "off"
to = "on"
why = "Wanted."
[[transitions]]
on = "switched"
from = "on"
to = "off"
why = "Not wanted."
[[transitions]]
on = "burnt_out"
from = ["off", "on"]
to = "dead"
why = "Nothing lasts."
[[ignores]]
on = ["switched", "burnt_out"]
in = "dead"
why = "Nobody repairs it."
"""


def test_a_chart_of_something_else_is_explored_as_far_as_it_is_understood() -> None:
    found = examine_chart(read_chart(LAMP.encode(), "lamp.toml"))
    assert (found.kind, found.findings) == (None, ())
    assert str(found) == "lamp.toml: nothing found in 3 scenes, 4 moves"
    blinking = LAMP.replace('from = ["off", "on"]\nto = "dead"', 'from = "off"\nto = "on"').replace(
        'on = ["switched", "burnt_out"]\nin = "dead"', 'on = "burnt_out"\nin = "on"'
    )
    endless = blinking.replace('[states.dead]\nrole = "dark"\nwhy = "Dark for ever."\n', "")
    assert examine_chart(read_chart(endless.encode(), "lamp.toml")).findings == ()  # what has no end need not end


# -- the whole -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", chart_names())
def test_nothing_is_found_in_the_librarys_charts(name: str) -> None:
    found = examine(charts_folder() / f"{name}.toml")
    assert (found.chart, found.kind, found.findings) == (name, name, ())
    assert found.scenes >= len(load_chart(name).leaves)
    assert found.moves >= len(load_chart(name).transitions)
    assert (found.late > 0) is (name == "session")


def test_what_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    missing = examine(tmp_path / "none.toml").findings
    assert [(finding.property, finding.cause, finding.words) for finding in missing] == [
        (Property.SOUND, "ChartUnreadable", "the file cannot be read (No such file or directory)")
    ]
    (tmp_path / "torn.toml").write_text("[events", encoding="utf-8")
    torn = examine(str(tmp_path / "torn.toml"))
    assert [finding.cause for finding in torn.findings] == ["ChartUnreadable"]
    assert (torn.chart, torn.kind, torn.scenes) == ("", None, 0)


def test_every_problem_of_a_file_is_a_finding_and_nothing_is_explored() -> None:
    found = broken(('to = "connected"', 'to = "conected"'))
    assert [finding.cause for finding in found.findings] == ["UnknownTarget"] * 3
    assert (found.kind, found.scenes) == ("session", 0)
    assert str(found.findings[0]) == (
        "broken.toml, transitions[2] (joined from connecting.joining): "
        "it names the state 'conected', which is not there; did you mean 'connected'?"
    )


@pytest.mark.parametrize("name", ["session", "publisher", "subscriber", "member"])
def test_a_chart_is_held_to_the_machine_that_runs_it_whatever_it_is_called(name: str) -> None:
    text = derived_text(name).replace(f'chart = "{name}"', 'chart = "mine"')
    chart = read_chart(text.encode(), "mine.toml")
    assert kind_of(chart) == name
    roles = {state.role for state in chart.states}
    unfit = text.replace(f'role = "{min(roles)}"', 'role = "elsewhere"')
    finding = one_of(examine_chart(read_chart(unfit.encode(), "mine.toml")), "ChartUnfit")
    assert finding.property is Property.FIT
    assert finding.words.startswith("no state has the role ")


def test_a_chart_of_an_outbox_is_held_to_what_its_file_does() -> None:
    unfit = one_of(broken(('role = "faulty"', 'role = "broken"'), name="outbox"), "ChartUnfit")
    assert (unfit.property, unfit.words) == (Property.FIT, "nothing is faulty")
    unknown = one_of(broken(("distrust_file", "pray"), name="outbox"), "UnknownAction")
    assert unknown.words == "no outbox performs 'pray'"
