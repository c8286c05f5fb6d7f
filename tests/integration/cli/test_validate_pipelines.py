"""``influxops validate`` on pipelines and backfills: every stage's script, the graph and the windows, with file and line."""

from __future__ import annotations

from pathlib import Path

from tests.integration.cli.test_validate import found, task, validate

HEAD = """\
apiVersion: influxops.dev/v1alpha1
kind: InfluxPipeline
metadata: {name: climate, namespace: ns}
spec:
  connectionRef: {name: main}
  window: {every: 1h}
  stages:
"""
READ = 'from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)'
BACKFILL = """\
---
apiVersion: influxops.dev/v1alpha1
kind: InfluxBackfill
metadata: {name: october, namespace: ns}
spec:
  pipelineRef: {name: %s}
  start: %s
  stop: %s
"""


def _judge(tmp_path: Path, text: str, code: int = 1) -> list[tuple[int, str, str, str]]:
    """Line, severity, rule and message of each finding."""
    (tmp_path / "pipeline.yaml").write_text(text)
    return [
        (one["line"], one["severity"], one["rule"], f"{one['object']}: {one['message']}")
        for one in found(tmp_path, code=code)
    ]


def test_the_compiler_reads_each_stage_at_its_line(tmp_path: Path) -> None:
    """In a block and in a template, inline or of a ConfigMap among the files."""
    text = f"""{HEAD}\
    - name: block
      flux: |
        {READ}
            |> nonsense()
    - name: line
      flux: 'x = 1 +'
    - name: inline
      template:
        inline: 'x = {{{{ values.missing }}}}'
    - name: map
      template:
        configMapKeyRef: {{name: scripts, key: map.flux}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: scripts, namespace: ns}}
data:
  map.flux: 'y = nobody'
"""
    told = _judge(tmp_path, text)
    assert [(line, rule, message.partition(":")[0]) for line, _, rule, message in told] == [
        (11, "flux", "InfluxPipeline ns/climate stage block"),
        (13, "flux", "InfluxPipeline ns/climate stage line"),
        (15, "template", "InfluxPipeline ns/climate stage inline"),
        (18, "flux", "InfluxPipeline ns/climate stage map"),
    ]


def test_the_script_must_fit_its_stage(tmp_path: Path) -> None:
    """What it reads and writes, and that the window can reach it."""
    text = f"""{HEAD}\
    - name: bucket
      source: {{bucket: rav}}
      destination: {{bucket: out}}
      flux: |
        {READ}
            |> to(bucket: "put")
    - name: option
      flux: |
        option v = {{timeRangeStart: -1h, timeRangeStop: now(), windowPeriod: 1h}}
        {READ} |> to(bucket: "out")
    - name: schedule
      flux: |
        option task = {{name: "x", every: 1h}}
        {READ} |> to(bucket: "out")
"""
    told = [(line, message) for line, _, rule, message in _judge(tmp_path, text) if rule == "script"]
    assert [line for line, _ in told] == [8, 14, 18]
    assert "source.bucket is 'rav', which the script does not read ('raw')" in told[0][1]
    assert "destination.bucket is 'out', which the script does not write ('put')" in told[0][1]
    assert "sets `option v` itself" in told[1][1]
    assert "has `option task`" in told[2][1]


def test_the_graph_and_the_windows(tmp_path: Path) -> None:
    """A stage that is not there, a window that cannot be joined, and a task that runs at other times."""
    text = f"""{HEAD}\
    - name: hours
      dependsOn: [minutes]
      flux: 'x = 1'
    - name: odd
      dependsOn: [hours]
      window: {{every: 90m}}
      flux: 'x = 1'
    - name: native
      execution: Native
      taskRef: {{name: cpu}}
    - name: elsewhere
      taskRef: {{name: not-among-the-files}}
"""
    (tmp_path / "task.yaml").write_text(task("cpu", f'{READ} |> to(bucket: "out")\n', every="2h"))
    told = [(line, message) for line, _, rule, message in _judge(tmp_path, text) if rule == "pipeline"]
    assert [line for line, _ in told] == [9, 13, 17]
    assert "spec.stages[0].dependsOn: there is no stage 'minutes'" in told[0][1]
    assert "spec.stages[1].window: stage hours: " in told[1][1]
    assert "spec.stages[2].taskRef: stage native: the InfluxTask's window is 2h long" in told[2][1]


def test_backfills(tmp_path: Path) -> None:
    """In the future, of a stage that is not there, without a whole window; a pipeline of elsewhere is nobody's fault."""
    pipeline = f"{HEAD}    - name: hours\n      flux: 'x = 1'\n"
    october = ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z")
    assert _judge(tmp_path, pipeline + BACKFILL % ("climate", *october), code=0) == []
    assert _judge(tmp_path, pipeline + BACKFILL % ("elsewhere", *october) + "  stages: [any]\n", code=0) == []
    told = [
        _judge(tmp_path, pipeline + BACKFILL % ("climate", *october) + "  stages: [days]\n"),
        _judge(tmp_path, pipeline + BACKFILL % ("climate", "2026-10-01T00:10:00Z", "2026-10-01T01:50:00Z")),
        _judge(tmp_path, pipeline + BACKFILL % ("climate", "2200-01-01T00:00:00Z", "2200-02-01T00:00:00Z")),
        _judge(tmp_path, pipeline + BACKFILL % ("climate", "2026-10-01T00:00:00Z", "2200-01-01T00:00:00Z"), code=0),
    ]
    assert [[(line, severity, rule) for line, severity, rule, _ in one] for one in told] == [
        [(18, "error", "pipeline")],
        [(17, "error", "pipeline")],
        [(16, "error", "pipeline")],
        [(17, "warning", "pipeline")],
    ]
    assert "the pipeline has no stage 'days'" in told[0][0][3]
    assert "no whole window" in told[1][0][3]


def test_the_rule_is_told_in_sarif(tmp_path: Path) -> None:
    """Code scanning needs a rule for each finding."""
    (tmp_path / "p.yaml").write_text(f"{HEAD}    - name: a\n      dependsOn: [b]\n      flux: 'x = 1'\n")
    assert '"ruleId": "pipeline"' in validate(tmp_path, "-o", "sarif", code=1).stdout
