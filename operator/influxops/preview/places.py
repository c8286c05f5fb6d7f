"""From a field of a manifest, or a place in its script, to line and column of the file."""

from __future__ import annotations

from dataclasses import dataclass

import yaml


@dataclass(frozen=True, slots=True)
class Document:
    """One object as it stands in a file. ``node`` is None for JSON, where only the first line is known."""

    file: str
    lines: list[str]
    node: yaml.Node | None
    line: int = 1

    def item(self, place: int) -> Document:
        """An object of a ``List``, by its place in ``items``."""
        node, at = self._find(f"items[{place}]")
        return Document(self.file, self.lines, node, at[0])

    def field(self, path: str) -> tuple[int, int]:
        """Line and column (from 1) of a field such as ``spec.window.period`` or ``spec.names[0]``.

        Of a field that is missing: of the record in which it is missing.
        """
        node, place = self._find(path)
        return place if node is not None else (self.line, 1)

    def inside(self, path: str, line: int, column: int) -> tuple[int, int] | None:
        """Line and column in the file of a place in a text field; None where the text is not written line by line."""
        node, _ = self._find(path)
        if not isinstance(node, yaml.ScalarNode) or node.style != "|":
            return None
        text = node.value.split("\n")
        at = node.start_mark.line + line  # the line behind the | is the first, and both count from there
        if not (1 <= line <= len(text) and at < len(self.lines)):
            return None
        raw = self.lines[at].rstrip("\r")
        shown = text[line - 1].rstrip("\r")
        return (at + 1, len(raw) - len(shown) + column) if raw.endswith(shown) else None

    def _find(self, path: str) -> tuple[yaml.Node | None, tuple[int, int]]:
        node = self.node
        if node is None:
            return None, (self.line, 1)
        place = _place(node)
        for part in path.replace("[", ".[").split("."):
            if part.startswith("[") and isinstance(node, yaml.SequenceNode) and part[1:-1].isdigit():
                if int(part[1:-1]) >= len(node.value):
                    return None, place
                node = node.value[int(part[1:-1])]
                place = _place(node)
                continue
            pair = next(
                (pair for pair in (node.value if isinstance(node, yaml.MappingNode) else ()) if pair[0].value == part),
                None,
            )
            if pair is None:
                return node, place
            key, node = pair
            place = _place(key)
        return node, place


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
