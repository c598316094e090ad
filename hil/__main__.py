"""Starts the `hil` command, also as `python -m hil`.

What the command needs takes a moment to import; this module does not, so that Ctrl-C in that moment ends as quietly
as at any other.
"""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main() -> None:
    """Entry point of the `hil` command."""
    try:
        from hil import cli
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    cli.main()


if __name__ == "__main__":
    main()
