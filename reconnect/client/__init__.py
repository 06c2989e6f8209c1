"""The client: what people import. `connect()` and Session, and what they hand out."""

from reconnect.client.connecting import connect
from reconnect.client.outbox import Outbox
from reconnect.client.receipt import Receipt
from reconnect.client.session import Session, Statistics
from reconnect.client.signals import SignalStream
from reconnect.client.streams import Publisher, Subscriber

__all__ = ["Outbox", "Publisher", "Receipt", "Session", "SignalStream", "Statistics", "Subscriber", "connect"]
