"""Retry: the only room of tenacity. `RetryPolicy` decides; `full_jitter`, `proportional_jitter` and `steps` are waits of our own.

tenacity is imported when one of its strategies is asked or one of our waits is made, not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconnect.retry.policy import RetryPolicy

if TYPE_CHECKING:
    from reconnect.retry.waits import full_jitter, proportional_jitter, steps

__all__ = ["RetryPolicy", "full_jitter", "proportional_jitter", "steps"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from reconnect.retry import waits

    return getattr(waits, name)
