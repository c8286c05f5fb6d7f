"""What commands print: to the terminal, or into a file that a user names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from influxops.settings import ConfigError

TOKEN = "INFLUX_TOKEN"  # noqa: S105  (the name of a variable)
"""Holds the token of an InfluxDB, as for the influx CLI."""


def colored() -> bool:
    """Whether standard output takes colour: a terminal, and nobody has set NO_COLOR (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def write(text: str, out: Path | None) -> None:
    """Write a text to standard output, or into the file of ``--out``. Raises ConfigError."""
    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out {out}: {error.strerror or error}") from error
