"""``python -m devstack up|status|env|down|build``."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence

from devstack import background
from devstack.binaries import ensure, ensure_tools
from devstack.endpoint import Endpoint
from devstack.errors import DevstackError
from devstack.progress import Progress
from devstack.recipes import TOOLS
from devstack.state import DEFAULT_NAME, Place, ServerState, State


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code: 0 done, 1 with one message on standard error otherwise."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except DevstackError as error:
        sys.stderr.write(f"devstack: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\ndevstack: interrupted\n")
        return 130
    except BrokenPipeError:
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devstack", description="Real etcd, kube-apiserver and influxd on loopback.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    name = argparse.ArgumentParser(add_help=False)
    name.add_argument("--name", default=DEFAULT_NAME, help="which stack; several can be up (default: %(default)s)")
    up = commands.add_parser("up", parents=[name], help="start a stack in the background; builds what is missing")
    up.set_defaults(run=_up)
    status = commands.add_parser("status", parents=[name], help="process, port, health and log of each server")
    status.set_defaults(run=_status)
    env = commands.add_parser("env", parents=[name], help='shell exports: eval "$(python -m devstack env)"')
    env.add_argument("--format", choices=("shell", "json"), default="shell")
    env.set_defaults(run=_env)
    down = commands.add_parser("down", parents=[name], help="end a stack and remove its data; logs are kept")
    down.set_defaults(run=_down)
    build = commands.add_parser("build", help="build the servers that are missing, and start nothing")
    build.add_argument("--all", action="store_true", help="also what only some tests need: Flux CD, kstatus")
    build.set_defaults(run=_build)
    return parser


def _up(options: argparse.Namespace) -> int:
    state = background.up(options.name, Progress())
    option = "" if options.name == DEFAULT_NAME else f" --name {options.name}"
    print(f"Stack {state.name} is up.")
    print(f"  Kubernetes  {state.kube_host}")
    print(
        f"  InfluxDB    {state.influx_url}  user {state.influx_username}, password {state.influx_password}, "
        f"org {state.influx_org}"
    )
    print(f'  Use it:     eval "$(python -m devstack env{option})"')
    print(f"  End it:     python -m devstack down{option}")
    return 0


def _down(options: argparse.Namespace) -> int:
    ended = background.down(options.name, Progress())
    print(
        f"Stack {options.name} {'is down; its logs stay in ' + str(Place.of(options.name).directory / 'logs') if ended else 'was not up'}."
    )
    return 0


def _build(options: argparse.Namespace) -> int:
    binaries = ensure(Progress())
    print(f"All servers are built: {binaries.assets()}")
    if options.all:
        print("\n".join(f"{name}: {path}" for name, path in ensure_tools(TOOLS, Progress()).items()))
    return 0


def _env(options: argparse.Namespace) -> int:
    exports = Place.of(options.name).load().exports()
    if options.format == "json":
        print(json.dumps(exports, indent=1))
    else:
        print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in exports.items()))
    return 0


def _status(options: argparse.Namespace) -> int:
    """Prints a table; 0 when every server answers."""
    state = Place.of(options.name).load()
    rows = [
        (server.name, str(server.pid), str(server.port), health(state, server), server.log) for server in state.servers
    ]
    print(table(("SERVER", "PID", "PORT", "HEALTH", "LOG"), rows))
    return 0 if all(row[3] == "ok" for row in rows) else 1


def health(state: State, server: ServerState) -> str:
    """``ok``, ``not answering`` or ``ended``."""
    if not server.pid or not _exists(server.pid):
        return "ended"
    token = f"Bearer {state.kube_token}" if server.health.startswith(f"{state.kube_host}/") else ""
    base, _, path = server.health.rpartition("/")
    return "ok" if Endpoint(base, state.kube_ca, token).status(f"/{path}") == 200 else "not answering"


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Columns, as wide as their widest cell, as kubectl prints them."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    )


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
