"""Which InfluxDB is it?"""

from __future__ import annotations

from influxops.influx.answers import json_of, raise_for
from influxops.influx.decode import decoded
from influxops.influx.errors import Unavailable
from influxops.influx.http import Http

MAX_VERSION = 64
"""Characters of a version, which stands in the status."""


async def version(http: Http) -> str:
    """The version such as ``v2.7.12``.

    It is asked without the token: before the address is known to be an InfluxDB, it shall not see it.
    """
    reply = await http.request("GET", "/health", authorized=False)
    raise_for(reply, http.speaker)
    data = json_of(reply, http.speaker)
    name, found = decoded(lambda answer: (str(answer["name"]), str(answer["version"])), data, http.speaker)
    if len(found) > MAX_VERSION or not found.isprintable():
        raise Unavailable(http.speaker.say("/health names a version that is none"))
    if name != "influxdb":
        raise Unavailable(http.speaker.say(f"/health says that it is {name!r}, not InfluxDB"))
    return found
