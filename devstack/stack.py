"""A whole stack: control plane and influxd, for as long as a ``with`` block.

::

    with Stack.start() as stack:
        stack.kubectl("get", "namespaces")
        stack.influx.kill()
        stack.influx.start()
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from devstack.binaries import Binaries, ensure
from devstack.certs import Authority
from devstack.influx import Influxd, server_certificate
from devstack.kube import ControlPlane, KubeAccess, start_control_plane
from devstack.kubeconfig import write_kubeconfig
from devstack.locks import FileLock, is_held
from devstack.paths import stacks_directory
from devstack.ports import Ports
from devstack.process import Server
from devstack.progress import Progress

LOGS = "logs"
KEEP_LOGS_SECONDS = 24 * 3600.0


class Stack:
    """Running servers. Use :meth:`start`; a stack ends with the block, :meth:`close`, or this process."""

    kube: KubeAccess
    """Host, CA and token of the API server."""
    influx: Influxd
    """The first influxd, with organisation ``influxops`` and bucket ``raw``."""
    audit_log: Path | None
    """JSON lines, one a request to the API server (level Metadata); None without audit."""

    def __init__(self, directory: Path, binaries: Binaries, lock: FileLock | None) -> None:
        self.directory = directory
        self.binaries = binaries
        self.ports = Ports()
        self.servers: list[Server] = []
        """All servers, in the order of their start."""
        self._influxes = 1
        self._lock = lock
        self._authority = Authority("devstack")

    @classmethod
    def start(
        cls,
        directory: Path | None = None,
        *,
        control_plane: bool = True,
        controller_manager: bool = True,
        audit: bool = True,
        progress: Progress | None = None,
    ) -> Self:
        """Start all servers, building what is missing first, and wait until they are ready (4 to 5 s).

        Without ``directory`` a temporary one is used, whose data goes and whose logs stay for a day. Without
        ``control_plane`` there is influxd only (0.4 s), and no ``kube``.
        Raises DevstackError.
        """
        binaries = ensure(progress)
        lock: FileLock | None = None
        if directory is None:
            _sweep()
            directory = Path(tempfile.mkdtemp(prefix="run-", dir=stacks_directory()))
            while (lock := FileLock.take(directory / "lock")) is None:
                time.sleep(0.01)  # another stack's sweep looks at it just now
        stack = cls(directory, binaries, lock)
        try:
            stack._start(control_plane=control_plane, controller_manager=controller_manager, audit=audit)
        except BaseException:
            stack.close()
            raise
        return stack

    def _start(self, *, control_plane: bool, controller_manager: bool, audit: bool) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        self.influx = self._begin_influx("influxd", tls=False)  # starts while the control plane does
        if control_plane:
            self._start_kube(controller_manager=controller_manager, audit=audit)
        self.influx.complete()

    def _start_kube(self, *, controller_manager: bool, audit: bool) -> None:
        plane: ControlPlane = start_control_plane(
            self.binaries,
            self.directory,
            self.logs,
            self.ports,
            self._authority,
            controllers=controller_manager,
            audit=audit,
        )
        self.servers[:0] = plane.servers
        self.kube, self.audit_log = plane.access, plane.audit_log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def logs(self) -> Path:
        """The folder of the servers' logs."""
        return self.directory / LOGS

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig of the admin, to name in KUBECONFIG."""
        return self.kube.kubeconfig

    @property
    def etcd(self) -> Server:
        """The etcd process, for faults."""
        return self._server("etcd")

    @property
    def apiserver(self) -> Server:
        """The kube-apiserver process, for faults."""
        return self._server("kube-apiserver")

    def new_influx(self, *, tls: bool = False) -> Influxd:
        """Another influxd, independent of the first; with ``tls`` its certificate is signed by ``ca_pem``."""
        self._influxes += 1
        influx = self._begin_influx(f"influxd-{self._influxes}", tls=tls)
        influx.complete()
        return influx

    def drop_influx(self, influx: Influxd) -> None:
        """End one made by :meth:`new_influx` and remove its data; its log stays."""
        influx.kill()
        self.servers.remove(influx)
        shutil.rmtree(self.directory / influx.name, ignore_errors=True)

    def kubectl(
        self,
        *arguments: str,
        input: str | None = None,  # noqa: A002 (as in subprocess.run)
        check: bool = True,
        timeout: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the admin; ``input`` goes to its standard input, so ``kubectl("apply", "-f", "-", input=…)``.

        With ``check`` a failure raises CalledProcessError whose notes hold what kubectl said.
        """
        command = [str(self.binaries.kubectl), f"--cache-dir={self.directory / 'kubectl-cache'}", *arguments]
        env = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        done = subprocess.run(
            command, input=input, env=env, capture_output=True, text=True, check=False, timeout=timeout
        )
        if check and done.returncode != 0:
            error = subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
            error.add_note(done.stderr.strip() or done.stdout.strip())
            raise error
        return done

    def service_account_kubeconfig(self, namespace: str, name: str, *, host: str = "") -> Path:
        """A kubeconfig that acts as this (existing) service account, to try its RBAC; the token lasts 12 hours.

        ``host`` is a proxy before the API server, if requests are to go through one.
        """
        token = self.kubectl("create", "token", name, "--namespace", namespace, "--duration", "12h").stdout.strip()
        path = self.directory / f"kubeconfig-{namespace}-{name}"
        return write_kubeconfig(path, host or self.kube.host, self.kube.ca, token, namespace=namespace)

    def close(self) -> None:
        """End all servers at once and remove the data; logs are kept. Twice is fine."""
        for server in reversed(self.servers):
            server.kill()  # the data goes anyway
        self.servers.clear()
        self.ports.release()
        if self._lock is not None:
            self._lock.release()
        remove_data(self.directory)

    def _begin_influx(self, name: str, *, tls: bool) -> Influxd:
        influx = Influxd.begin(
            self.binaries.influxd,
            name=name,
            data=self.directory / name,
            log=self.logs / f"{name}.log",
            ports=self.ports,
            tls=server_certificate(self._authority) if tls else None,
            ca_pem=self._authority.pem if tls else "",
        )
        self.servers.append(influx)
        return influx

    def _server(self, name: str) -> Server:
        return next(server for server in self.servers if server.name == name)


def remove_data(directory: Path) -> None:
    """Remove all of a stack's folder but its logs and lock files."""
    for path in directory.iterdir() if directory.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            if path.name != LOGS:
                shutil.rmtree(path, ignore_errors=True)
        elif not path.name.endswith("lock"):
            path.unlink(missing_ok=True)


def _sweep() -> None:
    """Remove the data of temporary stacks whose process was killed, and logs older than a day."""
    now = time.time()
    for path in stacks_directory().glob("run-*"):
        # A lock that does not exist yet belongs to a stack that begins just now.
        if not (path / "lock").exists() or is_held(path / "lock"):
            continue
        remove_data(path)
        if now - path.stat().st_mtime > KEEP_LOGS_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
