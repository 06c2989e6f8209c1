"""Transports: what opens sockets, carries messages, and says why it ended. `websocket` for networks, `memory` for tests."""
