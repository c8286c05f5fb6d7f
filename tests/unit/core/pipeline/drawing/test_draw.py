"""Drawings of graphs: what they show is what the graph is."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influxops.core.pipeline.drawing.draw import Shown, mermaid, svg, text
from influxops.core.pipeline.graph import Graph, StageNode, graph

SVG = "{http://www.w3.org/2000/svg}"


def of(manifest: str) -> Graph:
    parts = [word.partition(":") for word in manifest.split()]
    return graph([StageNode(name, tuple(filter(None, parents.split(",")))) for name, _, parents in parts])


WEATHER = of("clean hourly:clean humid:clean daily:hourly,humid report:daily,clean")
STATES = {
    "clean": Shown("SUCCESS", {"SUCCESS": 120}, "every 15m"),
    "hourly": Shown("RUNNING", {"SUCCESS": 118, "RUNNING": 2}),
    "humid": Shown("FAILED", {"SUCCESS": 100, "FAILED": 1, "READY": 0}),
    "daily": Shown("paused"),
}


def test_text_with_states() -> None:
    """Two parents of one stage arrive at two arrowheads; a long edge passes by."""
    assert (
        text(WEATHER, STATES)
        == """\
                               ┌─────────────┐
                               │    clean    │
                               │  every 15m  │
                               │   SUCCESS   │
                               │ SUCCESS 120 │
                               └──────┬──────┘
             ┌────────────────────────┼───────────────────┐
             ▼                        ▼                   │
┌─────────────────────────┐   ┌───────────────────────┐   │
│         hourly          │   │         humid         │   │
│         RUNNING         │   │        FAILED         │   │
│ SUCCESS 118, RUNNING 2  │   │ SUCCESS 100, FAILED 1 │   │
└────────────┬────────────┘   └───────────┬───────────┘   │
             └──────────────────┐     ┌───┘ ┌─────────────┘
                                ▼     ▼     │
                              ┌─────────┐   │
                              │  daily  │   │
                              │ paused  │   │
                              └────┬────┘   │
                                   │      ┌─┘
                                   ▼      ▼
                                  ┌─────────┐
                                  │ report  │
                                  └─────────┘
"""
    )


def test_text_without_states() -> None:
    """Where lines of two stages cross, the one from left to right is cut."""
    assert (
        text(of("a b c d:a,b,c e:a,d f:c g:e,f,b"))
        == """\
    ┌───┐   ┌───┐   ┌───┐
    │ a │   │ b │   │ c │
    └─┬─┘   └─┬─┘   └─┬─┘
┌─────┤       │ ┌─────┴──────┐
│     │    ┌──┴─│─────┐      │
│     ▼    ▼    ▼     │      ▼
│   ┌─────────────┐   │   ┌─────┐
│   │      d      │   │   │  f  │
│   └──────┬──────┘   │   └──┬──┘
└──────┐   │       ┌──┘      │
       │   │       │   ┌─────┘
       ▼   ▼       │   │
     ┌─────────┐   │   │
     │    e    │   │   │
     └────┬────┘   │   │
          └─┐      │   │
            ▼      ▼   ▼
          ┌─────────────┐
          │      g      │
          └─────────────┘
"""
    )


def test_nothing_to_draw() -> None:
    """An empty graph is an empty drawing."""
    assert text(of("")) == ""
    assert ET.fromstring(svg(of(""))).findall(f"{SVG}g") != []
    assert mermaid(of("")) == "flowchart TD\n    accTitle: Stages\n"


def test_mermaid() -> None:
    """Ids are ours, so that a stage may be called end; labels are escaped; only used classes are defined."""
    made = of('end b"<x>#:end')
    assert mermaid(
        made, {"end": Shown("SUCCESS", {"SUCCESS": 2}), 'b"<x>#': Shown("paused & co")}, 'A "title"; {x}'
    ) == (
        "flowchart TD\n"
        "    accTitle: A  title    x\n"
        '    s0["end<br/>SUCCESS<br/>SUCCESS 2"]:::success\n'
        '    s1["b#quot;#lt;x#gt;#35;<br/>paused #amp; co"]:::other\n'
        "    s0 --> s1\n"
        "    classDef success fill:#dafbe1,stroke:#1a7f37,color:#003d16\n"
        "    classDef other fill:#ffffff,stroke:#6e7781,color:#24292f\n"
    )


def test_svg_says_all_in_words() -> None:
    """Title and description name every stage, its state and what it waits for; states have a colour and a word."""
    root = ET.fromstring(svg(WEATHER, STATES, "Weather <now>"))
    title, told = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert told is not None
    assert title.text == "Weather <now>"
    assert told.text == (
        "clean: every 15m, SUCCESS, SUCCESS 120. hourly: RUNNING, SUCCESS 118, RUNNING 2, after clean. "
        "humid: FAILED, SUCCESS 100, FAILED 1, after clean. daily: paused, after hourly and humid. report: after clean and daily."
    )
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"].split() == [title.attrib["id"], told.attrib["id"]]
    boxes = {group.attrib["class"]: group for group in root.findall(f"{SVG}g") if "class" in group.attrib}
    assert sorted(boxes) == ["failed", "other", "running", "success"]
    assert "FAILED" in [element.text for element in boxes["failed"].findall(f"{SVG}text")]
    assert "href" not in ET.tostring(root, encoding="unicode")


def test_svg_boxes_do_not_overlap() -> None:
    """And all stand inside the drawing."""
    root = ET.fromstring(svg(of("a b c d:a,b,c e:a,d f:c g:e,f,b"), STATES))
    boxes = [[float(rect.attrib[key]) for key in ("x", "y", "width", "height")] for rect in root.iter(f"{SVG}rect")]
    for number, (x, y, width, height) in enumerate(boxes):
        assert 0 <= x <= x + width <= float(root.attrib["width"])
        assert 0 <= y <= y + height <= float(root.attrib["height"])
        assert all(x + width <= a or a + w <= x or y + height <= b or b + h <= y for a, b, w, h in boxes[:number])


@pytest.mark.parametrize("word", ["SUCCESS", "FAILED", "READY", "RUNNING", "PENDING"])
def test_ink_stands_out_from_its_box(word: str) -> None:
    """A contrast of 7 or more, on light and on dark ground (WCAG 2, AAA)."""
    drawn = svg(of("a"), {"a": Shown(word)})
    pairs = re.findall(rf"\.{word.lower()} rect{{fill:(#\w+);.*?text{{fill:(#\w+)}}", drawn)
    assert len(pairs) == 2
    assert all(contrast(*pair) >= 7 for pair in pairs)


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted([light(one), light(other)])
    return (high + 0.05) / (low + 0.05)


graphs = st.lists(st.sets(st.integers(0, 8), max_size=4), min_size=1, max_size=9).map(
    lambda edges: graph(
        [StageNode(f"stage{n}", tuple(f"stage{m}" for m in sorted(over) if m < n)) for n, over in enumerate(edges)]
    )
)


@settings(max_examples=100)
@given(graphs)
def test_lines_of_a_text_lead_where_the_edges_do(made: Graph) -> None:
    """Whoever follows the lines with a finger finds every edge, and no other."""
    assert traced(text(made)) == {(parent, child) for child in made.order for parent in made.parents[child]}


N, S, W, E = "NSWE"
ENDS = {
    "│": "NS",
    "─": "WE",
    "┘": "NW",
    "└": "NE",
    "┐": "SW",
    "┌": "SE",
    "┤": "NSW",
    "├": "NSE",
    "┴": "NEW",
    "┬": "SWE",
    "┼": "NSWE",
}
STEP = {"N": (-1, 0), "S": (1, 0), "W": (0, -1), "E": (0, 1)}
BACK = {"N": "S", "S": "N", "W": "E", "E": "W"}


def traced(drawing: str) -> set[tuple[str, str]]:
    """The edges that the lines of a drawing show."""
    cells = {(y, x): sign for y, line in enumerate(drawing.splitlines()) for x, sign in enumerate(line)}
    tops = {}
    lines = drawing.splitlines()
    for y, line in enumerate(lines):
        for box in re.finditer("┌─+┐", line):
            name = lines[y + 1][box.start() + 1 : box.end() - 1].strip()
            tops.update({(y, x): name for x in range(box.start(), box.end())})
    found = set()
    for (y, x), name in tops.items():
        if cells.get((y + 2, x)) == "┬":
            found |= {(name, child) for child in reached(cells, tops, (y + 2, x))}
    return found


def reached(cells: dict[tuple[int, int], str], tops: dict[tuple[int, int], str], start: tuple[int, int]) -> set[str]:
    """The boxes that the line out of the bottom of a box ends at."""
    found, seen = set(), set()
    ahead = [(start, "S")]
    while ahead:
        (y, x), way = ahead.pop()
        cell = (y + STEP[way][0], x + STEP[way][1])
        sign = cells.get(cell, " ")
        if sign == "▼":
            found.add(tops[cell[0] + 1, cell[1]])
        elif way in "WE" and sign == "│":
            ahead.append((cell, way))
        else:
            assert BACK[way] in ENDS[sign], f"a line ends at nothing: {cell}"
            ahead += [(cell, on) for on in ENDS[sign] if on != BACK[way] and (cell, on) not in seen]
            seen.update((cell, on) for on in ENDS[sign])
    return found
