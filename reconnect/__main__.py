"""`python -m reconnect`, and the console script `reconnect`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; say what is missing where its packages are not installed."""
    try:
        from reconnect.cli.app import app
        from reconnect.cli.output import run
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich", "click"):
            raise
        sys.exit(f"the command line needs the package {error.name!r}: pip install 'reconnect[cli]'")
    run(app)


if __name__ == "__main__":
    main()
