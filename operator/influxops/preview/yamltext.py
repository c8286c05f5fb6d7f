"""Objects as YAML that people like to read and that gives back every byte."""

from __future__ import annotations

from typing import Any

import yaml

from influxops.preview.importing import Imported


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, where a block can hold them."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def document(body: dict[str, Any]) -> str:
    """One object. Reading it gives the same object; a text that no block can hold is written in quotes."""
    text: str = yaml.dump(body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000)
    if yaml.safe_load(text) != body:
        text = yaml.safe_dump(body, sort_keys=False, allow_unicode=False, width=1_000_000, default_style=None)
    return text


def as_yaml(imported: Imported) -> str:
    """Everything as one file: the connection, then each object with a comment; what is refused only as a comment."""
    parts = [
        "# The connection. Its Secret is not part of this file:\n"
        f"#   kubectl -n {imported.connection['metadata']['namespace']} create secret generic influx-token "
        "--from-literal=token=$INFLUX_TOKEN\n" + document(imported.connection)
    ]
    for found in imported.objects:
        text = document(found.body)
        if found.refused:
            reason = " ".join(found.refused.split())
            text = f"# {found.about}: not taken over as it is. {reason}\n" + "".join(
                f"# {line}\n" for line in text.splitlines()
            )
        else:
            text = f"# {found.about}\n{text}"
        parts.append(text)
    return "---\n".join(parts)
