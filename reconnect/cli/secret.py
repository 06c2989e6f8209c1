"""Where a hub's secret comes from: a file that was named, or the environment.

Never a command line: everyone on the machine can read those.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from reconnect.errors import BadArgument
from reconnect.limits import SECRET_BYTES

VARIABLE: Final = "RECONNECT_SECRET"
HOW_TO_MAKE_ONE: Final = f"export {VARIABLE}=$(openssl rand -hex {SECRET_BYTES})"


def find_secret(file: Path | None, warn: Callable[[str], None], environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the secret of this file, or of the environment where none is named; None where there is neither.

    Raises BadArgument, with what to do, where it cannot be used; `warn` is told of a file that others can read.
    """
    if file is not None:
        return _checked(_read(file, warn), f"the secret in {file}")
    secret = environment.get(VARIABLE, "")
    return _checked(secret, f"the secret in {VARIABLE}") if secret else None


def need_secret(file: Path | None, warn: Callable[[str], None], *, without: str) -> str:
    """Return the secret; raises BadArgument with the sentence `without` where there is none."""
    secret = find_secret(file, warn)
    if secret is None:
        raise BadArgument(without)
    return secret


def _read(file: Path, warn: Callable[[str], None]) -> str:
    try:
        mode = file.stat().st_mode
        secret = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadArgument(f"the secret file {file} cannot be read: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        raise BadArgument(f"the secret file {file} is no text; write the secret into it as one line") from None
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        warn(f"others on this machine can read the secret in {file}; close it with: chmod 600 {file}")
    return secret


def _checked(secret: str, where: str) -> str:
    size = len(secret.encode("utf-8", "surrogateescape"))
    if size < SECRET_BYTES:
        raise BadArgument(f"{where} has {size} bytes and needs at least {SECRET_BYTES}; make one with: {HOW_TO_MAKE_ONE}")
    return secret
