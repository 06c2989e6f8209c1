"""What a table was measured on: each benchmark says it, since figures without their machine mean nothing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """Return the cores that this process may use, the processor, the memory, the system, and what runs on them."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": _processor(),
        "ram_gb": _ram_gb(),
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "websockets": version("websockets"),
    }


def in_words() -> str:
    """Return the same as the line above a table."""
    facts = machine()
    ram = "unknown" if facts["ram_gb"] is None else f"{facts['ram_gb']} GB of"
    return (
        f"{facts['cores']} cores of {facts['processor']}, {ram} RAM, {facts['system']}, "
        f"{facts['python']}, websockets {facts['websockets']}"
    )


def _processor() -> str:
    """Return the model's name; Linux tells it in a file alone."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine() or "unknown"


def _ram_gb() -> float | None:
    """Return the memory of the whole machine; None where the system does not tell."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30), 1)
    except (AttributeError, OSError, ValueError):
        return None
