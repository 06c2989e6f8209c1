"""Core: events in, effects out. No I/O, no clock, no chance: time, draws and the retry's answer arrive as data."""
