"""What tests of sessions need, ours and yours: time that jumps, a network whose weather is made, a proxy that breaks links."""

from reconnect.testing.clock import Deadlock, FakeClock, run
from reconnect.testing.network import Direction, MemoryNetwork
from reconnect.testing.proxy import Proxy

__all__ = ["Deadlock", "Direction", "FakeClock", "MemoryNetwork", "Proxy", "run"]
