"""From InfluxTasks in manifests to their scripts, templates rendered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

from influxops.api.connection import InfluxConnectionSpec, Policy
from influxops.api.errors import SpecInvalid
from influxops.api.influxtask import InfluxTaskSpec
from influxops.api.retentionpolicy import RetentionPolicySpec
from influxops.api.template import Template
from influxops.core.lint.rule import Severity
from influxops.core.template import TemplateFault
from influxops.engine.renderer import TemplateProcess
from influxops.library.catalogue import at_hand
from influxops.preview.manifests import Manifest, Manifests
from influxops.validate.problem import Problem, Report
from influxops.validate.sources import Source

Specs = list[tuple[Manifest, object]]


async def rendered(
    manifests: Manifests, specs: Specs, renderer: TemplateProcess, report: Report
) -> AsyncIterator[Source]:
    """The script of every task; what is wrong with a template is reported."""
    maps = {(one.namespace, one.name): one.body for one in manifests.others if one.kind == "ConfigMap"}
    policies = {(one.namespace, one.name): spec.policy for one, spec in specs if isinstance(spec, InfluxConnectionSpec)}
    keeps = retentions(specs)
    for manifest, spec in specs:
        if not isinstance(spec, InfluxTaskSpec):
            continue
        ref = spec.connection_ref
        connection = (ref.namespace or manifest.namespace, ref.name)
        source = Source(
            text=spec.flux or "",
            file=manifest.document.file,
            subject=subject_of(manifest),
            spec=spec,
            namespace=manifest.namespace,
            name=manifest.name,
            policy=policies.get(connection, Policy()),
            retention=keeps.get(connection, {}),
            document=manifest.document,
            path="spec.flux" if spec.template is None else "",
        )
        if spec.template is not None:
            template = _template(source, spec.template, maps, report)
            if template is None:
                continue
            try:
                source.text = await renderer.render(*template)
            except TemplateFault as fault:
                report.problems.append(_problem(source, f"the template cannot be rendered: {fault}"))
                continue
        yield source


def subject_of(manifest: Manifest) -> str:
    """The object, for people."""
    return f"{manifest.kind} {manifest.namespace}/{manifest.name}"


def retentions(specs: Specs) -> dict[tuple[str, str], dict[str, int]]:
    """Seconds that buckets keep by the RetentionPolicies among the manifests: connection (namespace, name) to bucket."""
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for manifest, spec in specs:
        if isinstance(spec, RetentionPolicySpec):
            ref = spec.connection_ref
            found[ref.namespace or manifest.namespace, ref.name][spec.bucket] = spec.retention.seconds
    return found


def _template(
    source: Source, template: Template, maps: dict[tuple[str, str], dict[str, Any]], report: Report
) -> tuple[str, dict[str, Any]] | None:
    """Text and values; None for a template that is not to be had, which is reported."""
    try:
        known = at_hand(template)
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


def _problem(source: Source, message: str, severity: Severity = Severity.ERROR, path: str = "spec.template") -> Problem:
    line, column = source.document.field(path) if source.document else (1, 1)
    message = message if path == "spec.template" else f"{path}: {message}"
    return Problem(source.file, line, column, "template", message, severity, subject=source.subject)
