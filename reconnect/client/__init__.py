"""The client: what people import. `connect()` and Session, and what they hand out."""

from reconnect.client.acknowledging import AckSignal, AckStream
from reconnect.client.connecting import connect
from reconnect.client.outbox import Outbox
from reconnect.client.receipt import Receipt
from reconnect.client.session import Session
from reconnect.client.signals import SignalStream
from reconnect.client.statistics import Statistics
from reconnect.client.streams import Publisher, Subscriber

__all__ = [
    "AckSignal",
    "AckStream",
    "Outbox",
    "Publisher",
    "Receipt",
    "Session",
    "SignalStream",
    "Statistics",
    "Subscriber",
    "connect",
]
