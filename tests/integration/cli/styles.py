"""Scripts as people have them in their databases: more than sixty, and no two in the same style."""

from __future__ import annotations

FROM = 'from(bucket: "raw")\n    |> range(start: -1h)\n'
SIMPLE = f'{FROM}    |> filter(fn: (r) => r._measurement == "cpu")\n'

BODIES = {
    "plain": SIMPLE,
    "one-line": 'from(bucket: "raw") |> range(start: -1h) |> last()\n',
    "rollup": f'{FROM}    |> aggregateWindow(every: 5m, fn: mean, createEmpty: false)\n    |> to(bucket: "raw")\n',
    "rollup-start": f'{FROM}    |> aggregateWindow(every: 1m, fn: max, timeSrc: "_start")\n    |> to(bucket: "raw")\n',
    "two-yields": f'{SIMPLE}    |> yield(name: "one")\n{SIMPLE}    |> yield(name: "two")\n',
    "variables": f'data = {FROM}\ndata |> count() |> yield(name: "n")\ndata |> sum() |> yield(name: "s")\n',
    "function": f"half = (tables=<-) => tables |> map(fn: (r) => ({{r with _value: r._value / 2.0}}))\n{FROM}    |> half()\n",
    "function-defaults": f"top3 = (tables=<-, n=3) => tables |> top(n: n)\n{FROM}    |> top3(n: 5)\n",
    "join": f'a = {FROM}\nb = {FROM}\njoin(tables: {{a: a, b: b}}, on: ["_time"])\n',
    "union": f"union(tables: [{FROM.strip()}, {FROM.strip()}])\n",
    "pivot": f'{FROM}    |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")\n',
    "conditional": f"{FROM}    |> map(fn: (r) => ({{r with _value: if r._value > 1.0 then 1.0 else 0.0}}))\n",
    "record": f"limits = {{warn: 80.0, crit: 95.0}}\n{FROM}    |> filter(fn: (r) => r._value > limits.crit)\n",
    "array": f'hosts = ["a", "b"]\n{FROM}    |> filter(fn: (r) => contains(value: r.host, set: hosts))\n',
    "regex": f"{FROM}    |> filter(fn: (r) => r.host =~ /web-[0-9]+\\/.*/)\n",
    "exists": f'{FROM}    |> filter(fn: (r) => exists r.region and not r.test == "yes")\n',
    "interpolation": f'{FROM}    |> map(fn: (r) => ({{r with text: "host ${{r.host}}"}}))\n',
    "quotes": f'{FROM}    |> filter(fn: (r) => r.path == "C:\\\\temp" or r.say == "\\"hi\\"")\n',
    "group": f'{FROM}    |> group(columns: ["host"], mode: "by")\n    |> distinct(column: "host")\n',
    "window": f'{FROM}    |> window(every: 10m)\n    |> mean()\n    |> duplicate(column: "_stop", as: "_time")\n    |> window(every: inf)\n',
    "deep": f"{FROM}    |> map(fn: (r) => {{\n        x = r._value\n        y = x * 2.0\n        return {{r with _value: y}}\n    }})\n",
    "unicode": f'{FROM}    |> filter(fn: (r) => r.ort == "Köln 東京 🚀")\n',
    "chain-in-brackets": f"data = ({FROM.strip()})\ndata |> limit(n: 1)\n",
    "times": 'from(bucket: "raw")\n    |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-02T00:00:00+02:00)\n',
}

WITH_IMPORTS = {
    "import": f'import "date"\n\nOPTION\n\n{FROM}    |> map(fn: (r) => ({{r with hour: date.hour(t: r._time)}}))\n',
    "imports": f'import "math"\nimport s "strings"\nOPTION\n{FROM}    |> map(fn: (r) => ({{r with h: s.toUpper(v: r.host)}}))\n',
    "package": f"package main\n\n\nOPTION\n\n{SIMPLE}",
    "location": f'import "timezone"\n\noption location = timezone.location(name: "Europe/Berlin")\nOPTION\n\n{SIMPLE}',
    "own-v": f"OPTION\n\noption v = {{timeRangeStart: -1h, timeRangeStop: now()}}\n\n{FROM}    |> range(start: v.timeRangeStart)\n",
    "array-from": 'import "array"\nOPTION\narray.from(rows: [{_time: now(), _value: 1.0}]) |> yield()\n',
    "experimental": f'import "experimental"\nOPTION\n{FROM}    |> limit(n: 1)\n    |> experimental.group(columns: ["x"], mode: "extend")\n',
    "last": f"{SIMPLE}\nOPTION\n",
    "middle": f"one = 1\nOPTION\n{FROM}    |> limit(n: one)\n",
}

OPTIONS = {
    "every": 'option task = {name: "NAME", every: 1h}',
    "every-compound": 'option task = {name: "NAME", every: 1h30m}',
    "every-days": 'option task = {name: "NAME", every: 1d}',
    "every-seconds": 'option task = {name: "NAME", every: 3600s}',
    "offset": 'option task = {name: "NAME", every: 1h, offset: 10m}',
    "offset-first": 'option task = {offset: 90s, every: 1h, name: "NAME"}',
    "offset-zero": 'option task = {name: "NAME", every: 1h, offset: 0s}',
    "negative-offset": 'option task = {name: "NAME", every: 1h, offset: -5m}',
    "cron": 'option task = {name: "NAME", cron: "0 3 * * *"}',
    "cron-offset": 'option task = {name: "NAME", cron: "0 */2 * * *", offset: 1m30s}',
    "cron-names": 'option task = {name: "NAME", cron: "0 0 * JAN MON-FRI"}',
    "cron-word": 'option task = {name: "NAME", cron: "@daily"}',
    "cron-seconds": 'option task = {name: "NAME", cron: "30 0 3 * * *"}',
    "lines": 'option task = {\n    name: "NAME",\n    every: 1h,\n    offset: 5m,\n}',
    "comments": 'option task = { // what\n    name: "NAME", // who\n    every: 1h, // when\n}',
    "tight": 'option task={name:"NAME",every:1h}',
    "wide": 'option   task   =   {   name :   "NAME" ,   every :   1h   }',
    "tabs": 'option task = {\n\tname: "NAME",\n\tevery: 1h,\n}',
    "keys-in-quotes": 'option task = {"name": "NAME", "every": 1h}',
}


def _with(option: str, body: str) -> str:
    return f"{option}\n\n{body}"


def _texts() -> dict[str, str]:
    plain = OPTIONS["every"]
    found = {f"body-{name}": _with(plain, body) for name, body in BODIES.items()}
    found |= {f"place-{name}": text.replace("OPTION", plain) for name, text in WITH_IMPORTS.items()}
    found |= {f"option-{name}": _with(option, SIMPLE) for name, option in OPTIONS.items()}
    text = _with(plain, SIMPLE)
    found |= {
        "text-crlf": text.replace("\n", "\r\n"),
        "text-mixed-line-ends": text.replace("\n", "\r\n", 1),
        "text-no-last-line-end": text.rstrip("\n"),
        "text-many-last-line-ends": f"{text}\n\n\n",
        "text-leading-lines": f"\n\n\n{text}",
        "text-leading-blanks": f"   {text}",
        "text-trailing-blanks": text.replace("\n", "   \n"),
        "text-only-blanks-in-a-line": text.replace("\n\n", "\n    \t \n"),
        "text-tabs": text.replace("    ", "\t"),
        "text-comment-first": f"// Owner: telemetry team\n// see https://example.org/?a=b#c\n{text}",
        "text-comment-last": f"{text}// the end: {{}} # % --- ...",
        "text-yaml-signs": f"// --- a: [b, {{c}}] & * ! | > ' \" % @ `\n{text}",
        "text-long-line": f"// {'x' * 5000}\n{text}",
        "text-long": text + "// one more line of a long script\n" * 2000,
        "text-unicode-comment": f"// ümläut, 日本語, \u2028 line separator, \u00a0 hard blank, 🦊\n{text}",
        "text-templating-signs": f"// {{{{ values.x }}}} ${{v}} $(id) %s\n{text}",
    }
    return found


STYLES = {name: text.replace("NAME", f"styles/{name}") for name, text in _texts().items()}
"""Name of the style -> script; the task's name holds the name of the style."""
