"""What a client needs to know of one InfluxDB."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Pace = Callable[[], Awaitable[None]]
"""Awaited before each single request; it returns when the request may begin."""


async def unpaced() -> None:
    """Every request may begin at once."""


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """One InfluxDB and how to reach it. Secrets stay out of the repr.

    - ``url``: scheme, host, port and perhaps the path of a reverse proxy, such as ``https://influxdb.example:8086``
    - ``token``: sent in the Authorization header only
    - ``timeout``: seconds for one control call, from the connection to the last byte
    - ``ca_pem``: PEM certificates that are trusted **instead of** the system's; empty: the system's
    - ``client_cert_pem``, ``client_key_pem``: for mutual TLS, both or none
    - ``server_name``: the name that the server's certificate must bear, when it is not the URL's host
    - ``max_connections``: connections kept to the server; further calls wait for a free one; 0: as many as are needed
    - ``read_only``: every request that could write is refused before it is sent
    """

    url: str
    token: str = field(repr=False)
    timeout: float = 15.0
    ca_pem: str = field(default="", repr=False)
    client_cert_pem: str = field(default="", repr=False)
    client_key_pem: str = field(default="", repr=False)
    server_name: str = ""
    max_connections: int = 32
    read_only: bool = False
