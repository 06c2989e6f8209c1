"""How a strategy is written down: the same words in every run, so no addresses; and no strings, which may be secrets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

_DEPTH: Final = 4  # tenacity's combinations nest; a strategy that holds itself must come to an end


def strategy_text(strategy: Any, depth: int = _DEPTH) -> str:
    """Return a strategy in one line: the repr of ours, `wait_fixed(wait_fixed=2.0)` for tenacity's, a function's full name."""
    if strategy is None or isinstance(strategy, (bool, int, float, timedelta)):
        return repr(strategy)
    if isinstance(strategy, (list, tuple)) and depth:
        return f"[{', '.join(strategy_text(item, depth - 1) for item in strategy)}]"
    if name := getattr(strategy, "__qualname__", None):
        return f"{strategy.__module__}.{name}"
    kind = type(strategy)
    if kind.__module__.startswith("reconnect."):
        return repr(strategy)
    if not depth or not callable(strategy) or not hasattr(strategy, "__dict__"):
        return kind.__qualname__
    fields = (f"{name}={strategy_text(value, depth - 1)}" for name, value in vars(strategy).items())
    return f"{kind.__qualname__}({', '.join(fields)})"
