"""Who waits for whom, and manifests that make no graph."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.core.pipeline.graph import Graph, GraphFault, StageNode, graph
from influxops.core.pipeline.proofs.result import Source, Target
from influxops.core.pipeline.stage_faults import data_warnings


def nodes(text: str) -> list[StageNode]:
    """``b:a c:a,b`` - each stage with what it depends on."""
    parts = [word.partition(":") for word in text.split()]
    return [StageNode(name, tuple(filter(None, parents.split(",")))) for name, _, parents in parts]


def of(text: str) -> Graph:
    return graph(nodes(text))


def faults(stages: list[StageNode]) -> list[str]:
    with pytest.raises(GraphFault) as caught:
        graph(stages)
    return [str(fault) for fault in caught.value.faults]


def test_order_is_the_manifest_s_where_edges_leave_a_choice() -> None:
    """Parents come first, else the first of the manifest."""
    assert of("d:b,c c:a b:a a e").order == ("a", "c", "b", "d", "e")
    assert of("z y x").order == ("z", "y", "x")
    assert of("").order == ()


def test_relatives() -> None:
    """Of a diamond with a tail, in topological order."""
    made = of("a b:a c:a d:c,b e:d f")
    assert (made.roots, made.leaves) == (("a", "f"), ("e", "f"))
    assert made.parents["d"] == ("b", "c")
    assert made.children["a"] == ("b", "c")
    assert made.ancestors("d") == ("a", "b", "c")
    assert made.descendants("b") == ("d", "e")
    assert made.with_descendants(["f", "c"]) == ("c", "d", "e", "f")
    assert made.layers() == [["a", "f"], ["b", "c"], ["d"], ["e"]]
    with pytest.raises(KeyError):
        made.descendants("nobody")


def test_a_layer_is_as_deep_as_the_longest_path() -> None:
    """Although there is a shorter one."""
    assert of("a b:a c:b d:a,c").layers() == [["a"], ["b"], ["c"], ["d"]]
    assert of("").layers() == []


@given(st.lists(st.sets(st.integers(0, 11)), max_size=12), st.randoms())
def test_any_graph_without_a_cycle(edges: list[set[int]], random: object) -> None:
    """Whatever the manifest's order, each stage comes after its parents, and all relations agree."""
    stages = [StageNode(f"s{n}", tuple(f"s{m}" for m in sorted(parents) if m < n)) for n, parents in enumerate(edges)]
    random.shuffle(stages)  # type: ignore[attr-defined]
    made = graph(stages)
    place = {name: number for number, name in enumerate(made.order)}
    assert sorted(place) == sorted(stage.name for stage in stages)
    for stage in stages:
        assert all(place[parent] < place[stage.name] for parent in stage.depends_on)
        assert all(stage.name in made.children[parent] for parent in stage.depends_on)
        assert all(stage.name in made.descendants(name) for name in made.ancestors(stage.name))
    depth = {name: level for level, names in enumerate(made.layers()) for name in names}
    assert all(depth[parent] < depth[stage.name] for stage in stages for parent in stage.depends_on)


@pytest.mark.parametrize(
    ("manifest", "fault"),
    [
        ("a:c b:a c:b", "spec.stages[0].dependsOn: a -> c -> b -> a is a cycle"),
        ("r a:r,b b:a", "spec.stages[1].dependsOn: a -> b -> a is a cycle"),
        ("t:a a:b b:a", "spec.stages[1].dependsOn: a -> b -> a is a cycle"),
        ("a b:b", "spec.stages[1].dependsOn: 'b' depends on itself; remove it"),
        ("hourly daily:hourlly", "spec.stages[1].dependsOn: there is no stage 'hourlly'; did you mean 'hourly'?"),
        ("a b:zzz", "there is no stage 'zzz'; the stages are a, b"),
        ("a b:a,a", "spec.stages[1].dependsOn: 'a' stands there twice"),
        ("a b a", "spec.stages[2].name: 'a' is the name of spec.stages[0], too"),
    ],
)
def test_faults_have_a_path(manifest: str, fault: str) -> None:
    """And exactly one is told of each."""
    found = faults(nodes(manifest))
    assert len(found) == 1
    assert fault in found[0]


def test_all_faults_are_told_at_once() -> None:
    """Two knots, each named once; two wrong names."""
    assert len(faults(nodes("a:b b:a c:d d:c"))) == 2
    assert len(faults(nodes("a:x b:y"))) == 2


def stage(name: str, reads: str, writes: str, *after: str, **words: bool) -> StageNode:
    """``bucket/measurement`` each."""
    return StageNode(name, after, Source(*reads.split("/")), Target(*writes.split("/")), **words)


@pytest.mark.parametrize(
    ("stages", "fault"),
    [
        ([stage("a", "raw/cpu", "raw/cpu")], "'a' would write into what it reads, 'cpu' of bucket 'raw'"),
        ([stage("a", "raw", "raw/cpu_1h")], "'a' would write into what it reads"),
        ([stage("a", "raw/cpu", "raw")], "'a' would write into what it reads, bucket 'raw'"),
        ([stage("a", "raw/x", "out/y"), stage("b", "out/y", "raw/x", "a")], "what 'a' before it reads"),
        ([stage("a", "raw/x", "out/y", replaces=True), stage("b", "raw/z", "out/y")], "Replace would delete"),
        ([stage("a", "raw/x", "out/y"), stage("b", "raw/z", "out", replaces=True)], "Replace would delete"),
        ([stage("a", "raw/x", "out/y"), stage("b", "raw/z", "out/y", checked=True)], "checks would count"),
    ],
)
def test_stages_that_spoil_data(stages: list[StageNode], fault: str) -> None:
    """An empty measurement means all of the bucket."""
    found = faults(stages)
    assert len(found) == 1
    assert fault in found[0]
    assert found[0].startswith(f"spec.stages[{len(stages) - 1}].destination: ")


@pytest.mark.parametrize(
    "stages",
    [
        [stage("a", "raw/cpu", "raw/cpu_1h")],
        [stage("a", "raw/cpu", "out/cpu")],
        [stage("a", "raw/x", "out/y"), stage("b", "raw/z", "out/y")],
        [stage("a", "raw/x", "out/y", replaces=True), stage("b", "raw/z", "out/z", replaces=True)],
        [stage("a", "raw/x", "out/y"), stage("b", "raw/x", "out/z", "a")],
        [StageNode("a"), StageNode("b", ("a",))],
    ],
)
def test_stages_that_do_not(stages: list[StageNode]) -> None:
    """Two branches of one result may share a destination; a parent's may be nobody's source."""
    assert graph(stages).order


def test_a_reader_that_does_not_wait_is_warned_of() -> None:
    """Not a fault: the source may have other writers."""
    stages = [stage("a", "raw/x", "out/y"), stage("b", "out/y", "end/z")]
    found = data_warnings(stages, graph(stages).ancestors)
    assert [str(warning) for warning in found] == [
        "spec.stages[1].dependsOn: 'b' reads 'y' of bucket 'out', which 'a' writes, and does not wait for it; add 'a' to dependsOn"
    ]
    stages[1] = stage("b", "out/y", "end/z", "a")
    assert data_warnings(stages, graph(stages).ancestors) == []
