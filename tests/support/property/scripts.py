"""The scripts that users write in the property machine."""

from __future__ import annotations

_ONE = 'from(bucket: "raw")\n  |> range(start: -1h)\n  |> aggregateWindow(every: 5m, fn: mean)\n  |> to(bucket: "hourly")\n'
SCRIPTS = {
    "one": _ONE,
    "two": f"{_ONE}// changed\n",
    "three": f"{_ONE}// changed again\n",
    "broken": 'from(bucket: "raw" |> range(start: -1h)\n',
}
"""Name -> script; ``broken`` does not parse."""
