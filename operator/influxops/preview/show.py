"""A plan as text for people, as markdown for a pull request, as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from influxops.preview.item import Item, Preview

_WORDS = {
    "create": "will be created",
    "adopt": "will be taken over",
    "update": "will be changed",
    "recreate": "will be replaced by a new task of the token's user",
    "delete": "will be deleted",
}
_SIGNS = {"create": "+", "adopt": "→", "update": "~", "recreate": "±", "delete": "-"}
_COLORS = {
    "+": "\x1b[32m",
    "-": "\x1b[31m",
    "~": "\x1b[33m",
    "±": "\x1b[33m",
    "→": "\x1b[36m",
    "@": "\x1b[2m",
    "!": "\x1b[31m",
}
_RESET = "\x1b[0m"


def as_text(preview: Preview, *, color: bool) -> str:
    """The plan, one paragraph an object; objects without a change are only counted."""
    lines = [line for item in _told(preview) for line in (*item_lines(item), "")]
    for place, message in preview.faults:
        lines += [f"! {place}: {message}", ""]
    lines += [f"Note: {note}" for note in preview.notes]
    lines.append(preview.summary)
    return "\n".join(_colored(line) if color else line for line in lines) + "\n"


def as_json(preview: Preview) -> str:
    """Everything, objects without a change included."""
    return json.dumps(as_data(preview), indent=2) + "\n"


def as_data(preview: Preview) -> dict[str, Any]:
    """The same as values, for JSON and YAML."""
    items = [
        {
            "kind": item.kind,
            "namespace": item.namespace,
            "name": item.name,
            "place": item.place,
            "verb": "" if item.held else item.verb,
            "held": item.held,
            "error": item.error,
            "message": item.message,
            "actions": list(item.actions),
        }
        for item in preview.items
    ]
    faults = [{"place": place, "message": message} for place, message in preview.faults]
    counts = {verb: preview.count(verb) for verb in _SIGNS}
    summary = {**counts, "unchanged": preview.unchanged, "held": preview.held, "errors": preview.errors}
    return {"items": items, "faults": faults, "notes": preview.notes, "summary": summary}


def as_markdown(preview: Preview) -> str:
    """A comment for a pull request: the summary first, each change folded away."""
    lines = [f"### influxops\n\n**{preview.summary}**\n"]
    for item in _told(preview):
        head, *rest = item_lines(item)
        lines.append(f"<details{' open' if item.error else ''}><summary><code>{_plain(head)}</code></summary>\n")
        fence = "`" * max(3, 1 + max((len(run) for line in rest for run in _ticks(line)), default=0))
        lines += [f"{fence}diff", *(_flush(line) for line in rest), fence, "\n</details>\n"]
    for place, message in preview.faults:
        lines.append(f"- :x: `{place}`: {_plain(message)}")
    lines += [f"- {_plain(note)}" for note in preview.notes]
    return "\n".join(lines).rstrip("\n") + "\n"


def _told(preview: Preview) -> list[Item]:
    return [item for item in preview.items if item.actions or item.held]


def item_lines(item: Item) -> Iterator[str]:
    """One object: what is done with it, each field and each line of the script that changes."""
    place = f" ({item.place})" if item.place else ""
    name = f"{item.kind} {item.namespace}/{item.name}{place}"
    if item.held:
        yield f"{'!' if item.error else '#'} {name}: {item.held}: {item.message}"
    for action in item.actions:
        verb = str(action["action"])
        target = f", {action['id']} in InfluxDB" if action.get("id") else ""
        what = "would be" if item.held else "will be"
        yield f"{_SIGNS[verb]} {name}{target} {_WORDS[verb].replace('will be', what)}"
        yield from _changes(action)


def _changes(action: dict[str, Any]) -> Iterator[str]:
    create = action["action"] == "create"
    for change in action.get("changes") or []:
        old, new = (json.dumps(change[side], ensure_ascii=False) for side in ("old", "new"))
        yield f"  + {change['field']}: {new}" if create else f"  ~ {change['field']}: {old} -> {new}"
    diff = action.get("diff")
    if diff:
        yield "  + script:" if create else "  ~ script:"
        for line in str(diff).splitlines():
            if not (create and line.startswith("@@")):
                yield f"    {line}"


def _colored(line: str) -> str:
    color = _COLORS.get(line.strip()[:1], "")
    return f"{color}{line}{_RESET}" if color else line


def _flush(line: str) -> str:
    """The sign of a line in the first column, where a diff in markdown is coloured by it."""
    text = line.lstrip(" ")
    return text[0] + " " * (len(line) - len(text)) + text[1:] if text[:1] in {"+", "-", "@"} else line


def _ticks(line: str) -> list[str]:
    return [run for run in "".join(char if char == "`" else " " for char in line).split() if run]


def _plain(text: str) -> str:
    return text.replace("<", "&lt;").replace(">", "&gt;")
