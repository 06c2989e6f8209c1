"""Every limit and default of the library, each with its reason. `docs/reference/limits.md` is generated from this page.

Durations are in seconds, sizes in bytes.
"""

from __future__ import annotations

from typing import Final

# -- the client ------------------------------------------------------------------------------------------------------------
ATTEMPT_DEADLINE_SECONDS: Final = 10.0  # dial plus join: a hub that needs longer is not usable for calls
CLOSE_TIMEOUT_SECONDS: Final = 5.0  # politeness on leaving has an end
STABLE_AFTER_SECONDS: Final = 10.0  # a connection that lasted this long pays off earlier failures
OBSERVER_SECONDS: Final = 5.0  # an async observer that takes longer is cancelled, so that the ones behind it run
SLEEP_NOTICED_SECONDS: Final = 5.0  # a wake-up later than this means that the machine slept
PROBE_SECONDS: Final = 2.0  # after a sleep the hub has this long to answer
CONSUMER_BACKLOG: Final = 256  # signals that one `signals()` iterator may have waiting before credit is withheld
SUBSCRIBER_BACKLOG: Final = 64  # stream frames that one subscriber may have waiting; the oldest is dropped
SEEN_SENDERS: Final = 4_096  # senders whose last serial is remembered to drop repeats

# -- retry -----------------------------------------------------------------------------------------------------------------
FIRST_TRY_SECONDS: Final = 1.0  # a fleet that drops together must not return together
FIRST_WAIT_SECONDS: Final = 1.0  # the width of the first wait: most outages are shorter than a few of these
LONGEST_WAIT_SECONDS: Final = 30.0  # the widest wait: who is back in the network is never kept longer
GIVE_UP_AFTER_SECONDS: Final = 120.0  # twice the grace: later there is nothing to come back to
MAX_WAIT_SECONDS: Final = 3_600.0  # a policy that asks for more is broken
POLICY_DETAIL_CHARACTERS: Final = 300  # of what a broken policy said: enough to recognise it, and no page in the audit

# -- signals (the platform's) ----------------------------------------------------------------------------------------------
TYPE_CHARACTERS: Final = 128  # the platform's limit on a signal's type
DATA_BYTES: Final = 8_192  # the platform's limit on a signal's data, as JSON
DATA_DEPTH: Final = 100  # arrays and objects inside each other: beyond some depth a receiver's JSON reader runs out of stack
OUTBOX_SIGNALS: Final = 1_000  # 5 s at 200 signals a second; who sends more, or waits longer, says so
OUTBOX_BYTES: Final = 8 * 1024 * 1024  # about 1,000 signals with the most data that one may have
IN_FLIGHT: Final = 1_024  # signals sent and not judged yet

# -- the hub ---------------------------------------------------------------------------------------------------------------
GRACE_SECONDS: Final = 60.0  # a lift, a tunnel or a change of network is over by then; nobody looks at a ghost for longer
PING_SECONDS: Final = 2.0  # the platform's; two pings fit into the silence that ends a link
SILENCE_SECONDS: Final = 6.0  # the platform's is 5.9: a dead link is told to everyone within this
MEMBERS_PER_HEARTBEAT: Final = 1_000  # the heartbeat is raised by one ping interval for each this many members
JOIN_DEADLINE_SECONDS: Final = 10.0  # an open socket that says nothing holds a place for no longer than a member's own deadline
RESUMES_PER_SECOND: Final = 2_000  # what one hub can accept; the first-try window is 1.2 x members / this
LOG_SIGNALS: Final = 1_000  # what a member that returns can be handed, per session; as many as an outbox may hold
LOG_BYTES: Final = 8 * 1024 * 1024  # bounds the memory of one session, whatever the size of its signals
LOG_SECONDS: Final = 120.0  # twice the grace: what is older has no member to wait for
WINDOW_ENTRIES: Final = 256  # entries sent beyond what the member has handled
MEMBERS_PER_SESSION: Final = 1_000  # a signal to everyone costs one write for each of them
SESSIONS: Final = 10_000  # bounds the memory of a hub that is asked for ever new sessions
WANTS_PER_MEMBER: Final = 1_000  # publications and subscriptions of one member: one for each member of a full session
NAME_CHARACTERS: Final = 256  # session ids, client ids, stream names
MEMBER_DATA_CHARACTERS: Final = 1_000  # the platform's limit on connection data
LOG_RETRY_SECONDS: Final = 1.0  # an entry about a member that the log did not take is tried again after this
ENTRY_OVERHEAD_BYTES: Final = 200  # what a retained entry counts beside its data
UNDER_WAY: Final = 8_192  # signals of one sender that wait for the log; a member of ours has at most IN_FLIGHT unjudged
REJECTIONS_KEPT: Final = 4_096  # per sender, above its `settled`: more than can be in flight
SUPERSEDED_SECRETS: Final = 8  # digests by which a secret of the past is recognised
OVERLOADED_SECONDS: Final = 5.0  # a refusal for want of room asks to come back after one to two times this
FIRST_TRY_MARGIN: Final = 1.2  # the advised window is this times the ideal time to take all members back

# -- the wire --------------------------------------------------------------------------------------------------------------
MESSAGE_BYTES: Final = 1024 * 1024  # bounds what one message can make the other side hold in memory; a large picture fits
BATCH_BYTES: Final = 16 * 1024  # signals and entries per message: 2 s on a line of 64 kbit/s, so that control frames pass in time
ENTRY_CACHE_BYTES: Final = 1024 * 1024  # encoded entries that a dialect keeps, so that one entry for many members is encoded once
UNSENT_BYTES: Final = 64 * 1024  # what a kernel may hold back: beyond it bulk would stand before control frames
LISTEN_BACKLOG: Final = 1_024  # sockets that wait to be accepted: a fleet that comes back after a restart
FRAME_BACKLOG_BYTES: Final = 256 * 1024  # unwritten stream frames; stale media is worth nothing
CONTROL_BACKLOG_BYTES: Final = 4 * 1024 * 1024  # unwritten control frames: beyond it the peer is not reading at all

# -- charts ----------------------------------------------------------------------------------------------------------------
STATES_PER_LEVEL: Final = 9  # a reviewer keeps that many states beside each other in view, and no more

# -- tokens ----------------------------------------------------------------------------------------------------------------
SECRET_BYTES: Final = 32  # HMAC with SHA-256 needs a key as long as its output (RFC 7518, section 3.2)
TOKEN_BYTES: Final = 32 * 1024  # looked at before anything is parsed; the longest connection data, escaped, fits
TOKEN_LIFETIME_SECONDS: Final = 3_600.0  # a token that leaks is worthless soon; a living connection outlives its token
TOKEN_LEEWAY_SECONDS: Final = 5.0  # how far the clocks of the issuer and the hub may differ

# -- the audit -------------------------------------------------------------------------------------------------------------
AUDIT_TEXT_CHARACTERS: Final = 500  # of one text in a record; what others said is cut, so that no line grows without bound
AUDIT_SECRETS: Final = 32  # tokens and secrets that are looked for in every text; the oldest are long expired
