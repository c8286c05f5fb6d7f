"""``influxops operator``: the operator itself."""

from __future__ import annotations

import gc
from typing import Any

import typer

from influxops.cli.options import settings_options
from influxops.settings import load


@settings_options
def operator(**flags: Any) -> None:
    """Run the operator until SIGTERM or Ctrl-C.

    Every option is also a variable of the environment, --log-format for example INFLUXOPS_LOG_FORMAT; the flag wins.
    """
    settings = load(flags)
    gc.disable()  # a fifth of the time of all those imports; run_operator enables it
    from influxops.app import run_operator  # here, so that other commands and --help start fast

    raise typer.Exit(run_operator(settings))
