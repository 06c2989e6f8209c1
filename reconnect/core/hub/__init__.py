"""The hub's core: sessions as logs, members as records, all of it without I/O, clock or chance.

| module | owns |
| --- | --- |
| `core` | feeding, deadlines, the order in which things are done |
| `inputs`, `effects` | what comes in, what goes out |
| `state`, `sessions`, `links`, `records` | all that is known |
| `members` | steps of the members' chart and its actions |
| `joining`, `judging`, `welcome` | from a join to a place |
| `reading`, `signals`, `requests`, `wants` | what members' frames mean |
| `queue`, `answers` | what waits for the log, and what follows from its answer |
| `tail`, `flow`, `census`, `ledger` | the log at hand, who was sent what, who is there, who was judged |
| `deadlines`, `upkeep`, `statistics`, `settings` | time, bounds, numbers, values |
"""

from reconnect.core.hub.core import HubCore
from reconnect.core.hub.settings import HubSettings
from reconnect.core.hub.statistics import HubStatistics

__all__ = ["HubCore", "HubSettings", "HubStatistics"]
