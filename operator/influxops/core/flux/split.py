"""A script without its own ``option task``, whose settings then come from the fields of a spec."""

from __future__ import annotations

from influxops.core.flux.facts import Node, Places, is_option


def without_task_option(script: str, ast: Node) -> str:
    """The script without its first ``option task`` and the line break behind it; the script itself when it has none."""
    places = Places(script)
    for node in ast["files"][0].get("body") or []:
        if is_option(node, "task"):
            start, end = places.start(node), places.end(node)
            line_end = end + len(script[end:]) - len(script[end:].lstrip(" \t\r"))
            if script[line_end : line_end + 1] == "\n":
                end = line_end + 1
            return script[:start] + script[end:]
    return script
