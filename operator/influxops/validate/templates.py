"""From InfluxTasks and InfluxPipelines in manifests to their scripts, templates rendered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from influxops.api.connection import InfluxConnectionSpec, Policy
from influxops.api.errors import SpecInvalid
from influxops.api.influxpipeline import InfluxPipelineSpec
from influxops.api.influxtask import InfluxTaskSpec
from influxops.api.retentionpolicy import RetentionPolicySpec
from influxops.api.stage import Stage
from influxops.api.template import Template
from influxops.core.lint.rule import Severity
from influxops.core.template import TemplateFault
from influxops.engine.renderer import TemplateProcess
from influxops.library.catalogue import at_hand
from influxops.preview.manifests import Manifest, Manifests
from influxops.validate.pipelines import Specs, as_task
from influxops.validate.problem import Problem, Report, subject_of
from influxops.validate.sources import Source


async def rendered(
    manifests: Manifests, specs: Specs, renderer: TemplateProcess, report: Report
) -> AsyncIterator[Source]:
    """The script of every task and of every stage; what is wrong with a template is reported."""
    maps = {(one.namespace, one.name): one.body for one in manifests.others if one.kind == "ConfigMap"}
    policies = {(one.namespace, one.name): spec.policy for one, spec in specs if isinstance(spec, InfluxConnectionSpec)}
    keeps = retentions(specs)
    for manifest, spec in specs:
        if isinstance(spec, InfluxTaskSpec | InfluxPipelineSpec):
            ref = spec.connection_ref
            connection = (ref.namespace or manifest.namespace, ref.name)
            shared = _Shared(manifest, policies.get(connection, Policy()), keeps.get(connection, {}))
            for source, template in _unrendered(shared, spec):
                if template is None or await _render(source, template, maps, renderer, report):
                    yield source


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all scripts of one object have in common."""

    manifest: Manifest
    policy: Policy
    retention: dict[str, int]

    def source(self, text: str, spec: InfluxTaskSpec, part: str = "spec", stage: Stage | None = None) -> Source:
        """A script of the object; an empty text is that of a template."""
        subject = subject_of(self.manifest)
        return Source(
            text=text,
            file=self.manifest.document.file,
            subject=f"{subject} stage {stage.name}" if stage else subject,
            spec=spec,
            namespace=self.manifest.namespace,
            name=self.manifest.name,
            policy=self.policy,
            retention=self.retention,
            document=self.manifest.document,
            path=f"{part}.flux" if text else "",
            part=part,
            stage=stage,
        )


def _unrendered(shared: _Shared, spec: InfluxTaskSpec | InfluxPipelineSpec) -> Iterator[tuple[Source, Template | None]]:
    """The scripts of an object, each with its template if it has one. A stage's taskRef is judged with that task."""
    if isinstance(spec, InfluxTaskSpec):
        yield shared.source(spec.flux or "" if spec.template is None else "", spec), spec.template
        return
    for at, stage in enumerate(spec.stages):
        if stage.task_ref is None:
            text = stage.flux or ""
            yield shared.source(text, as_task(spec, stage), f"spec.stages[{at}]", stage), stage.template


async def _render(
    source: Source,
    template: Template,
    maps: dict[tuple[str, str], dict[str, Any]],
    renderer: TemplateProcess,
    report: Report,
) -> bool:
    """Put the rendered script into the source. False when it cannot be had, which is reported."""
    text = _text(source, template, maps, report)
    if text is None:
        return False
    try:
        source.text = await renderer.render(*text)
    except TemplateFault as fault:
        report.problems.append(_problem(source, f"the template cannot be rendered: {fault}"))
        return False
    return True


def retentions(specs: Specs) -> dict[tuple[str, str], dict[str, int]]:
    """Seconds that buckets keep by the RetentionPolicies among the manifests: connection (namespace, name) to bucket."""
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for manifest, spec in specs:
        if isinstance(spec, RetentionPolicySpec):
            ref = spec.connection_ref
            found[ref.namespace or manifest.namespace, ref.name][spec.bucket] = spec.retention.seconds
    return found


def _text(
    source: Source, template: Template, maps: dict[tuple[str, str], dict[str, Any]], report: Report
) -> tuple[str, dict[str, Any]] | None:
    """Text and values; None for a template that is not to be had, which is reported."""
    try:
        known = at_hand(template, f"{source.part}.template")
    except SpecInvalid as error:
        report.problems += [_problem(source, fault.message, path=fault.path) for fault in error.errors]
        return None
    ref = template.config_map_key_ref
    if known is not None or ref is None:
        return known
    found = maps.get((source.namespace, ref.name))
    text = ((found or {}).get("data") or {}).get(ref.key)
    if isinstance(text, str):
        return text, template.values
    if found is None:
        message = f"the script is not checked: ConfigMap {source.namespace}/{ref.name} is not among the files"
        report.problems.append(_problem(source, message, Severity.WARNING))
    else:
        message = f"ConfigMap {source.namespace}/{ref.name} has no key {ref.key!r}"
        report.problems.append(_problem(source, message))
    return None


def _problem(source: Source, message: str, severity: Severity = Severity.ERROR, path: str = "") -> Problem:
    line, column = source.document.field(path or f"{source.part}.template") if source.document else (1, 1)
    message = f"{path}: {message}" if path else message
    return Problem(source.file, line, column, "template", message, severity, subject=source.subject)
