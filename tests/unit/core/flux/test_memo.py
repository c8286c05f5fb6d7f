"""What is remembered of scripts, and what is not believed."""

from __future__ import annotations

import copy
import json
from typing import Any

from influxops.core.flux import memo as memo_module
from influxops.core.flux.facts import facts_of, nodes_of
from influxops.core.flux.memo import ScriptMemo
from influxops.core.flux.shape import shape_of
from tests.support.fake_influx import RECORDED

SCRIPTS: list[dict[str, Any]] = [
    one for one in json.loads(RECORDED.read_text("utf-8")).values() if one["ast"] and shape_of(one["script"])
]


def test_a_tree_that_does_not_bear_the_shape_out_tells_of_its_own_script_alone() -> None:
    """As a text with quotes would that means something else than it seems."""
    assert SCRIPTS
    for recorded in SCRIPTS:
        script, tree = recorded["script"], copy.deepcopy(recorded["ast"])
        shape = shape_of(script)
        assert shape is not None
        assert shape.strings
        for node in nodes_of(tree):
            if node.get("type") == "StringLiteral" and node["value"] == shape.strings[-1]:
                assert isinstance(node, dict)
                node["type"] = "TextPart"
        memo = ScriptMemo()
        facts = memo.learn(script, tree)
        assert memo.get(script) == facts == facts_of(script, tree)
        assert memo.get(script.replace(f'"{shape.strings[-1]}"', '"another"')) is None


def test_the_tree_that_was_learned_from_is_left_as_it_was() -> None:
    assert SCRIPTS
    for recorded in SCRIPTS:
        before = copy.deepcopy(recorded["ast"])
        ScriptMemo().learn(recorded["script"], recorded["ast"])
        assert recorded["ast"] == before


def test_what_was_not_asked_for_the_longest_is_forgotten(monkeypatch: Any) -> None:
    monkeypatch.setattr(memo_module, "MAX_ENTRIES", 2)
    memo = ScriptMemo()
    first, second, third = ({"script": f"x{n} = 1", "ast": _tree()} for n in range(3))
    memo.learn(first["script"], first["ast"])
    memo.learn(second["script"], second["ast"])
    assert memo.get(first["script"]) is not None
    memo.learn(third["script"], third["ast"])
    assert memo.get(second["script"]) is None
    assert memo.get(first["script"]) is not None


def test_a_string_that_is_written_with_escapes_is_not_taken_for_a_mark() -> None:
    """Its value is ours all the same: the facts of the script are those of its own tree."""
    script = 'x = "allowed"\nfrom(bucket: "\\xee\\x80\\x800")'
    tree = _from("\ue0000")
    memo = ScriptMemo()
    assert memo.learn(script, tree) == facts_of(script, tree)
    assert memo.learn(script, tree).reads == {"\ue0000"}


def _renderings(script: str) -> tuple[str, str]:
    """What the recorded script and another of its shape render to."""
    shape = shape_of(script)
    assert shape is not None
    head = 'option task = {name: "ns/one", every: 1h}\n'
    other = script.replace(f'"{shape.strings[-1]}"', '"another"')
    return head + script, head.replace("one", "two") + other


def test_what_is_well_typed_is_so_in_all_scripts_of_its_shape_and_in_no_others() -> None:
    """The schedule is part of the shape, the names are not."""
    for recorded in SCRIPTS:
        script, (one, two) = recorded["script"], _renderings(recorded["script"])
        memo = ScriptMemo()
        memo.learn(script, recorded["ast"])
        assert not memo.well_typed(script, one)
        memo.found_well_typed(script, one)
        assert memo.well_typed(script, one)
        assert memo.well_typed(script, two)
        assert not memo.well_typed(script, one.replace("1h", "2h"))


def test_a_shape_that_no_tree_has_borne_out_is_not_believed_to_be_well_typed() -> None:
    """Neither before a tree was seen, nor after one that says something else."""
    for recorded in SCRIPTS:
        script, (one, two) = recorded["script"], _renderings(recorded["script"])
        memo = ScriptMemo()
        memo.found_well_typed(script, one)
        tree = copy.deepcopy(recorded["ast"])
        for node in nodes_of(tree):
            if node.get("type") == "StringLiteral":
                assert isinstance(node, dict)
                node["type"] = "TextPart"
        memo.learn(script, tree)
        memo.found_well_typed(script, one)
        assert not memo.well_typed(script, one)
        assert not memo.well_typed(script, two)


def _from(bucket: str) -> dict[str, Any]:
    """The tree of that script."""

    def text(value: str, line: int, column: int, length: int) -> dict[str, Any]:
        place = {"start": {"line": line, "column": column}, "end": {"line": line, "column": column + length}}
        return {"type": "StringLiteral", "value": value, "location": place}

    key = {"type": "Identifier", "name": "bucket"}
    named = {"type": "Property", "key": key, "value": text(bucket, 2, 14, 15)}
    call = {
        "type": "CallExpression",
        "callee": {"type": "Identifier", "name": "from"},
        "arguments": [{"type": "ObjectExpression", "properties": [named]}],
    }
    x = {"type": "VariableAssignment", "id": {"type": "Identifier", "name": "x"}, "init": text("allowed", 1, 5, 9)}
    return {"files": [{"imports": [], "body": [x, {"type": "ExpressionStatement", "expression": call}]}]}


def _tree() -> dict[str, Any]:
    return {"files": [{"body": [], "imports": []}]}
