"""Where a connection leads: the client with the Secret's present token, the organization, and the rights there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from influxops.api.common import ACCEPT_TARGET
from influxops.core.outcome import Reason
from influxops.core.snapshot import NEVER, Snapshot
from influxops.engine.connect import Credentials, credentials
from influxops.engine.link import LiveLink
from influxops.engine.tools import Tools
from influxops.influx.errors import Unavailable
from influxops.influx.settings import ConnectionSettings
from influxops.reconcile.context import Problem

ESSENTIAL = ("read:orgs", "read:tasks", "write:tasks", "read:buckets")
"""Rights without which nothing can be managed safely: a token that may not read tasks gets an empty list."""
RIGHTS_EVERY = 20
"""Rights, user and version are asked for anew every so many turns."""
ASK_AGAIN = 6
"""A refused token that has not changed is tried again every so many turns, not at each."""


class Refused(Exception):
    """The turn ends with this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Target:
    """Connects one link, turn after turn."""

    def __init__(self, link: LiveLink, tools: Tools) -> None:
        self.lacking: frozenset[str] = frozenset()
        """Rights that the token certainly lacks."""
        self._link = link
        self._tools = tools
        self._digest = ""
        self._refused_digest = ""
        self._turns = 0
        self._asked_at = 0
        self._secrets: list[str] = []
        self._probed = False

    def refuse(self) -> None:
        """InfluxDB has refused the present token."""
        self._refused_digest = self._digest

    async def connect(self, status: dict[str, Any]) -> None:
        """Have a client that leads where it may. ``status`` is the connection's own, which remembers where it led.

        Raises Refused, ``kube.errors.MissingReference`` and the errors of both servers.
        """
        link = self._link
        self._turns += 1
        found = await credentials(self._tools.secrets, link.key.namespace, link.spec)
        if (
            found.digest == self._refused_digest
            and link.problem is not None
            and self._turns - self._asked_at < ASK_AGAIN
        ):
            raise Refused(link.problem)
        if found.digest != self._digest or link.port is None:
            await self._change_client(found)
        self._asked_at = self._turns
        self._refused_digest = ""
        again = not self._probed or self._turns % RIGHTS_EVERY == 0
        link.serves(await link.send("version", lambda port: port.version()))  # it may have been upgraded meanwhile
        org_id = await self._org_id()
        self._check_target(org_id, status)
        if again:
            link.user = await link.send("me", lambda port: port.me())
            self.lacking = await link.send("probe", lambda port: port.probe(org_id))
            self._probed = True
        self._check_rights()
        if link.org_id != org_id:
            link.org_id, link.snapshot = org_id, Snapshot(NEVER, org_id)
        link.moving = False

    async def _change_client(self, found: Credentials) -> None:
        """Take the new client; until it is known where it leads, nobody else may use it."""
        link = self._link
        link.moving = True
        self._probed = False
        self._keep_secret(found.settings)
        old, link.port = link.port, self._tools.client(found.settings, link.pace)
        self._digest = found.digest
        link.parked |= set(link.refused.take())  # another token: what lacked a right may have it now
        if old is not None:
            await old.close()

    async def still_seen(self) -> None:
        """Make sure that an empty list means that there is nothing. InfluxDB shows nothing at all to a token that was set
        inactive, and answers 200 (measured on 2.7.12).
        """
        if await self._org_id() != self._link.org_id:
            raise Unavailable(f"organization {self._link.spec.org!r} was made anew in InfluxDB meanwhile")

    async def _org_id(self) -> str:
        link = self._link
        org_id = await link.send("org", lambda port: port.org_id(link.spec.org))
        if org_id is None:
            await link.send("me", lambda port: port.me())  # 401 tells that the token is inactive
            raise Refused(
                Problem(
                    Reason.DEPENDENCY_NOT_READY,
                    f"organization {link.spec.org!r} does not exist in InfluxDB at {link.spec.url}, or the token may not read "
                    "it (it needs read:orgs): correct spec.org, or the token",
                )
            )
        return org_id

    def _check_rights(self) -> None:
        essential = [right for right in ESSENTIAL if right in self.lacking]
        if essential:
            self.refuse()
            raise Refused(
                Problem(
                    Reason.NOT_ALLOWED,
                    f"the token lacks {', '.join(essential)} in organization {self._link.spec.org!r}: give the token these "
                    "rights, or put another token into the Secret",
                    stalled=True,
                )
            )

    def close(self) -> None:
        """The connection is not worked here any more: its secrets need not be known."""
        for secret in self._secrets:
            self._tools.redactor.discard(secret)
        self._secrets = []

    def _keep_secret(self, settings: ConnectionSettings) -> None:
        """Tell the redactor what must not be seen; what was rotated out is forgotten after the new one is known."""
        old, self._secrets = self._secrets, [text for text in (settings.token, settings.client_key_pem) if text]
        for secret in self._secrets:
            self._tools.redactor.add(secret)
        for secret in old:
            self._tools.redactor.discard(secret)

    def _check_target(self, org_id: str, status: dict[str, Any]) -> None:
        """Tasks of one database must not be written into another because a url or an org was edited."""
        record = self._tools.context.objects.get(self._link.key)
        message = moved(status, record.annotations if record is not None else {}, org_id)
        if message:
            raise Refused(Problem(Reason.TARGET_CHANGED, message, stalled=True, found_org_id=org_id))


def moved(status: Mapping[str, Any], annotations: Mapping[str, str], org_id: str) -> str:
    """Why a connection that leads to this organization now must not be used; empty when it may be."""
    remembered = str(status.get("orgID") or "")
    if not remembered or org_id in {remembered, annotations.get(ACCEPT_TARGET)}:
        return ""
    return (
        f"spec.url and spec.org lead to organization id {org_id} now, and led to {remembered} before: nothing is "
        f"written. If that is meant, annotate this InfluxConnection with {ACCEPT_TARGET}={org_id}"
    )
