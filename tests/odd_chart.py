"""A chart that has what the library's charts do not have; the drawings of it are looked at beside theirs."""

from __future__ import annotations

from reconnect.chart import Statechart, load_chart_text

# What the library's charts do not have: frames that are entered from within or lead back, internal rows and exits of a frame, a
# frame that nothing enters, marks of HTML.
ODD = """
chart = "odd"
version = 1
initial = "a"
why = "An example | with a <bar>."
[events]
turn = { kind = "call", why = "w", means = "rotate" }
up = { kind = "call", why = "w" }
down = { kind = "call", why = "w" }
stop = { kind = "call", why = "w" }
[actions]
notify = "w"
a_long_name_of_an_action = "w"
another_name_that_is_longer_than_a_line_of_the_label = "a | b"
[states.a]
role = "novel"
initial = "b"
entry = ["a_long_name_of_an_action"]
exit = ["another_name_that_is_longer_than_a_line_of_the_label"]
why = "w"
[states.a.states.b]
why = "w"
[states.a.states.c]
role = "other"
entry = ["notify"]
why = "w"
[states.d]
role = "last"
initial = "e"
why = "w"
[states.d.states.e]
why = "w"
[states.z]
role = "end"
why = "w"
[[transitions]]
on = "turn"
from = "a.b"
to = "a.c"
effects = ["a_long_name_of_an_action", "another_name_that_is_longer_than_a_line_of_the_label"]
tells = "a_thing"
why = "w"
[[transitions]]
on = "down"
from = "a.b"
to = "a.c"
why = "w"
[[transitions]]
on = "turn"
from = "a.c"
to = "a"
why = "w"
[[transitions]]
on = "up"
from = "a"
why = "w"
[[transitions]]
on = "down"
from = "a.c"
to = "d.e"
why = "w"
[[transitions]]
on = "up"
from = "d"
to = "a.b"
why = "w"
[[transitions]]
on = "turn"
from = "d"
to = "a"
why = "w"
[[transitions]]
on = "stop"
from = ["a", "d"]
to = "z"
why = "w"
[[ignores]]
on = "down"
in = ["d", "z"]
why = "w"
[[ignores]]
on = ["turn", "up", "stop"]
in = "z"
why = "w"
"""


def odd() -> Statechart:
    return load_chart_text(ODD, file="somewhere/odd.toml")
