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
REQUEST_SECONDS: Final = 30.0  # for an answer: longer than most outages, and shorter than anybody's patience
REQUESTS_AT_WORK: Final = 256  # requests that are answered at the same time; more are refused at once
ANSWER_ERROR_CHARACTERS: Final = 500  # of why a request was not answered: enough to recognise it
SEEN_SENDERS: Final = 4_096  # senders whose last serial is remembered to drop repeats
PASSED_OVER: Final = 16  # stretches of serials, per sender, that never arrived and may still; the oldest is given up

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

# -- the outbox on disk ----------------------------------------------------------------------------------------------------
STORE_BATCH: Final = 2_000  # signals of one commit: enough to pay for a slow disk, few enough to be confirmed soon
STORE_LOCK_SECONDS: Final = 0.5  # a backup may read the file for a moment; who has it open for longer keeps it
STORE_RETRY_SECONDS: Final = 1.0  # how often a file that failed is opened anew
STORE_WAL_BYTES: Final = 4 * 1024 * 1024  # what the write-ahead log grows to before it is brought into the file
STORE_ROW_BYTES: Final = 128  # what a row takes beside the bytes of type and data; together they bound the file
STORE_NEWS: Final = 256  # steps and findings that wait for an audit to be written to

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
WINDOW_ENTRIES: Final = 1_024  # entries sent beyond what the member has handled: 100,000 a second with 10 ms for a round trip
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
BATCH_BYTES: Final = 32 * 1024  # signals and entries per message: 4 s on a line of 64 kbit/s, within the silence that ends a link
MOST_BATCH_BYTES: Final = 128 * 1024  # what they grow to where the line takes them at once: half the messages cost half the turns
PROMPT_BYTES: Final = (
    256 * 1024
)  # more than any buffer on the way holds: only a line that really carries it takes so much at once
PROMPT_SECONDS: Final = 0.05  # a message that took longer to be taken had to wait for the line
UNSENT_BYTES: Final = 64 * 1024  # what a kernel may hold back: beyond it bulk would stand before control frames
LISTEN_BACKLOG: Final = 1_024  # sockets that wait to be accepted: a fleet that comes back after a restart
FRAME_BACKLOG_BYTES: Final = 256 * 1024  # unwritten stream frames; stale media is worth nothing
CONTROL_BACKLOG_BYTES: Final = 4 * 1024 * 1024  # unwritten control frames: beyond it the peer is not reading at all

# -- charts ----------------------------------------------------------------------------------------------------------------
STATES_PER_LEVEL: Final = 9  # a reviewer keeps that many states beside each other in view, and no more
LABEL_PIXELS: Final = 9  # letters of a picture, at the width that it is meant for; smaller ones are not read but guessed
LAYOUT_SECONDS: Final = 30.0  # laying out a picture takes hundredths of a second; beyond this the program hangs

# -- tokens ----------------------------------------------------------------------------------------------------------------
SECRET_BYTES: Final = 32  # HMAC with SHA-256 needs a key as long as its output (RFC 7518, section 3.2)
TOKEN_BYTES: Final = 32 * 1024  # looked at before anything is parsed; the longest connection data, escaped, fits
TOKEN_LIFETIME_SECONDS: Final = 3_600.0  # a token that leaks is worthless soon; a living connection outlives its token
TOKEN_LEEWAY_SECONDS: Final = 5.0  # how far the clocks of the issuer and the hub may differ

# -- the audit -------------------------------------------------------------------------------------------------------------
AUDIT_TEXT_CHARACTERS: Final = 500  # of one text in a record; what others said is cut, so that no line grows without bound
AUDIT_SECRETS: Final = 32  # tokens and secrets that are looked for in every text; the oldest are long expired
AUDIT_HOLD_SECONDS: Final = 0.25  # what happens on the signals' path is gathered for so long: four lines a second, at any rate
AUDIT_HELD_INPUTS: Final = 256  # and for no more than so many inputs, so that no line grows without bound
CHECKPOINT_RECORDS: Final = 1_000  # a published head vouches for all but the last few seconds of a busy session
CHECKPOINT_SECONDS: Final = 60.0  # and for all but the last minute of a quiet one
JOURNAL_FILE_BYTES: Final = 64 * 1024 * 1024  # a file that any editor opens, and a day of a busy session
REPORT_RECORDS: Final = 2_000  # raw records in a report: more than anyone reads, and a page that opens at once
REPORT_STATES: Final = 20_000  # stays in states of one timeline: a session that drops every ten seconds for half a day
REPORT_TRACKS: Final = 40  # timelines in a report: a screenful or three, of a hub with many members the first
REPORT_LEDGER_ROWS: Final = 1_000  # outages, and records of signals that were not simply delivered, each in a row of a table
