"""Where rows and logs are kept: in memory (`memory`), or signals in a file that outlives the process (`sqlite`, at need)."""

from reconnect.store.durability import Durability
from reconnect.store.memory import MemoryOutboxStore, MemorySessionLog, random_epoch

__all__ = ["Durability", "MemoryOutboxStore", "MemorySessionLog", "random_epoch"]
