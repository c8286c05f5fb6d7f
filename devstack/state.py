"""What ``devstack up`` leaves for the other commands: one JSON file in the stack's folder."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from devstack.certs import write_private
from devstack.errors import DevstackError
from devstack.locks import is_held
from devstack.paths import stacks_directory
from devstack.stack import Stack

DEFAULT_NAME = "default"


@dataclass(frozen=True, slots=True)
class ServerState:
    """One server as it was when the file was written."""

    name: str
    pid: int
    port: int
    log: str
    health: str
    """URL that answers 200 when the server is ready."""


@dataclass(frozen=True, slots=True)
class State:
    """One stack in the background."""

    name: str
    supervisor_pid: int
    kubeconfig: str
    kube_host: str
    kube_ca: str
    kube_token: str
    kubectl: str
    influx_url: str
    influx_org: str
    influx_org_id: str
    influx_bucket: str
    influx_username: str
    influx_password: str
    influx_token: str
    assets: str
    influxd: str
    servers: list[ServerState] = field(default_factory=list)

    def exports(self) -> dict[str, str]:
        """The variables that kubectl, the influx CLI and users of controller tests know."""
        return {
            "KUBECONFIG": self.kubeconfig,
            "INFLUX_HOST": self.influx_url,
            "INFLUX_TOKEN": self.influx_token,
            "INFLUX_ORG": self.influx_org,
            "KUBEBUILDER_ASSETS": self.assets,
            "INFLUXD": self.influxd,
        }

    def write(self, path: Path) -> None:
        """Write it whole or not at all, for this user only: it holds tokens."""
        write_private(path, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> State:
        """Read it back. Raises DevstackError when it is not what :meth:`write` writes."""
        try:
            content = json.loads(path.read_text())
            content["servers"] = [ServerState(**server) for server in content["servers"]]
            return cls(**content)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DevstackError(
                f"{path} cannot be read ({type(error).__name__}): run `devstack down`, then `up`."
            ) from error


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of a named stack and the files in it."""

    name: str
    directory: Path

    @classmethod
    def of(cls, name: str) -> Place:
        """The place of this name, its folder made when needed. Raises DevstackError for a name that is no file name."""
        if (
            re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name) is None
            or name == "ports"
            or name.startswith("run-")
        ):
            raise DevstackError(
                f"A stack cannot be named {name!r}: use lower-case letters, digits and dashes, at most 32, "
                "not `ports` and not beginning with `run-`."
            )
        directory = stacks_directory() / name
        directory.mkdir(mode=0o700, exist_ok=True)
        return cls(name, directory)

    @property
    def state(self) -> Path:
        """Written when all servers are ready."""
        return self.directory / "state.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.directory / "supervisor.lock"

    @property
    def command_lock(self) -> Path:
        """Held by ``up`` and ``down``, so that one waits for the other."""
        return self.directory / "command.lock"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor says; when it failed, why."""
        return self.directory / "logs" / "supervisor.log"

    def running(self) -> bool:
        """Whether its supervisor lives."""
        return is_held(self.lock)

    def load(self) -> State:
        """The state of the running stack. Raises DevstackError when there is none."""
        if not self.running() or not self.state.exists():
            option = "" if self.name == DEFAULT_NAME else f" --name {self.name}"
            raise DevstackError(f"Stack {self.name} is not up: start it with `python -m devstack up{option}`.")
        return State.read(self.state)


def describe(name: str, supervisor_pid: int, stack: Stack) -> State:
    """The state of a started stack."""
    influx = stack.influx
    return State(
        name=name,
        supervisor_pid=supervisor_pid,
        kubeconfig=str(stack.kubeconfig),
        kube_host=stack.kube.host,
        kube_ca=stack.kube.ca,
        kube_token=stack.kube.token,
        kubectl=str(stack.binaries.kubectl),
        influx_url=influx.url,
        influx_org=influx.org,
        influx_org_id=influx.org_id,
        influx_bucket=influx.bucket,
        influx_username=influx.username,
        influx_password=influx.password,
        influx_token=influx.token,
        assets=str(stack.binaries.assets()),
        influxd=str(stack.binaries.influxd),
        servers=[
            ServerState(server.name, server.pid or 0, server.port, str(server.log), server.health)
            for server in stack.servers
        ],
    )
