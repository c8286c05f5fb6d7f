"""Judges manifests and scripts, step by step: files, schema, templates, syntax, the operator's own rules, types, lints."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from influxops.api.errors import FieldError, SpecInvalid
from influxops.api.influxtask import InfluxTaskSpec
from influxops.api.names import KUBERNETES_NAME
from influxops.api.read import read_object, unknown_fields
from influxops.api.template import MAX_SCRIPT
from influxops.core.desired import DesiredTask, SpecFault, allowed_buckets, desired_task
from influxops.core.flux.facts import ScriptFacts, facts_of
from influxops.core.flux.render import to_user_place
from influxops.core.keys import Kind
from influxops.core.lint.aggregates import Rollup, rollups
from influxops.core.lint.catalogue import lint
from influxops.core.lint.flow import TooBig
from influxops.core.lint.rule import Severity
from influxops.core.lint.script import Script
from influxops.core.marker import Owner
from influxops.core.pipeline.scripts import check_places, script_faults
from influxops.engine.renderer import TemplateProcess
from influxops.preview.manifests import Manifests
from influxops.validate import pipelines
from influxops.validate.parser import FluxFault, NoParser, Parser
from influxops.validate.pipelines import Specs
from influxops.validate.problem import Problem, Report, subject_of
from influxops.validate.sources import Source
from influxops.validate.templates import rendered

_NAME_FAULT = "must be a lowercase RFC 1123 subdomain of at most 253 characters, such as cpu-hourly"
_OWN_WORDS = frozenset({"ignored-task-option", "denied-package"})
"""Lints that say, with the place, what the operator's own check says without."""


@dataclass(slots=True)
class _Work:
    """One script on its way."""

    source: Source
    facts: ScriptFacts
    task: DesiredTask | None = None
    fault: SpecFault | None = None
    script: Script | None = None


async def judge(
    manifests: Manifests, plain: list[Source], parser: Parser, retention: Mapping[str, int] | None = None
) -> Report:
    """Judge everything. ``retention`` is that of a real server's buckets, in seconds, for what no manifest tells."""
    report = Report(checker=parser.name)
    report.problems += [_file_fault(place, message) for place, message in manifests.faults]
    renderer = TemplateProcess()
    try:
        specs = _specs(manifests, report)
        sources = [source async for source in rendered(manifests, specs, renderer, report)]
    finally:
        await renderer.close()
    report.objects = len(manifests.objects)
    sources = [source for source in [*sources, *plain] if _is_script(source, report)]
    report.scripts = len(sources)
    for source in sources:
        source.retention = {**(retention or {}), **source.retention}
    try:
        found = await _scripts(sources, parser, report)
        report.problems += pipelines.problems(specs, _tasks(found))
    except NoParser as error:
        report.problems += pipelines.problems(specs, {})
        report.checker = ""
        report.problems.append(Problem("", 0, 0, "parser", str(error)))
    report.problems.sort(key=lambda one: (one.file, one.line, one.column, one.rule))
    return report


def _is_script(source: Source, report: Report) -> bool:
    """Whether there is anything to read; if not, that is reported."""
    if not source.text.strip():
        message = "the script is empty: write Flux into it"
    elif len(source.text) > MAX_SCRIPT:
        message = f"the script is longer than {MAX_SCRIPT // 1024} KiB, the most of an InfluxTask: split it"
    elif "\0" in source.text:
        message = "the script holds a NUL character, at which InfluxDB stops reading: remove it"
    else:
        return True
    report.problems.append(source.problem("script", message))
    return False


def _file_fault(place: str, message: str) -> Problem:
    """A fault of a file, whose place is ``file``, ``file:line`` or ``file:line:column``."""
    file = place
    numbers: list[int] = []
    while ":" in file and len(numbers) < 2 and file.rpartition(":")[2].isdigit():
        file, _, number = file.rpartition(":")
        numbers.insert(0, int(number))
    line, column = ([*numbers, 1, 1] if numbers else [0, 0])[:2]
    return Problem(file, line, column, "file", message)


def _specs(manifests: Manifests, report: Report) -> Specs:
    """The specs that keep the schema and the rules of the CRD; what does not is reported, as the API server would."""
    good: Specs = []
    for manifest in manifests.objects:
        faults = unknown_fields(manifest.body)
        try:
            good.append((manifest, read_object(manifest.body).spec))
        except SpecInvalid as error:
            faults += error.errors
        if not re.fullmatch(KUBERNETES_NAME, manifest.name) or len(manifest.name) > 253:
            faults.append(FieldError("metadata.name", _NAME_FAULT))
        for fault in faults:
            line, column = manifest.document.field(fault.path)
            report.problems.append(
                Problem(manifest.document.file, line, column, "schema", str(fault), subject=subject_of(manifest))
            )
    return good


def _tasks(found: list[_Work]) -> dict[tuple[str, str], tuple[ScriptFacts, DesiredTask | None]]:
    """The InfluxTasks, which stages may name."""
    return {
        (work.source.namespace, work.source.name): (work.facts, work.task)
        for work in found
        if work.source.spec is not None and work.source.stage is None
    }


async def _scripts(sources: list[Source], parser: Parser, report: Report) -> list[_Work]:
    found: list[_Work] = []
    texts = [source.text for source in sources]
    for source, tree in zip(sources, await parser.trees(texts), strict=True):
        if isinstance(tree, list):
            report.problems += [_flux(source, fault) for fault in tree]
            continue
        try:
            found.append(_Work(source, facts_of(source.text, {"files": [tree]})))
        except (ValueError, KeyError, IndexError):
            report.problems.append(source.problem("flux", "the syntax tree of the script cannot be read"))
            continue
        source.tree = tree
    for work in found:
        _desire(work)
    # The lints work while the parser's process checks the types.
    types = _types([work for work in found if not work.fault], parser)
    for problems in await asyncio.gather(types, asyncio.to_thread(_lints, found)):
        report.problems += problems
    return found


def _flux(source: Source, fault: FluxFault) -> Problem:
    return source.problem("flux", fault.message, fault.line, fault.column)


def _desire(work: _Work) -> None:
    source = work.source
    spec = source.spec
    if spec is None:
        every = {} if work.facts.task else {"every": "1h"}
        spec = InfluxTaskSpec.model_validate({"connectionRef": {"name": "any"}, "flux": source.text or " ", **every})
    if source.stage is not None and (faults := script_faults(source.stage, work.facts)):
        work.fault = SpecFault("; ".join(faults))
        return
    buckets = allowed_buckets(source.policy)
    owner = Owner("validate", Kind.TASK.value, source.namespace or "default", source.name or "script")
    try:
        if source.stage is not None:
            check_places(source.stage, buckets)
        work.task = desired_task(spec, source.text, work.facts, owner, "validate", source.policy, buckets)
    except SpecFault as fault:
        work.fault = fault


async def _types(found: list[_Work], parser: Parser) -> list[Problem]:
    problems: list[Problem] = []
    pairs = [(work, work.task) for work in found if work.task is not None]
    for (work, task), faults in zip(pairs, await parser.check([task.script for _, task in pairs]), strict=True):
        for fault in faults:
            place = None
            if fault.line > task.header_lines:
                place = to_user_place(work.source.text, task.rendered, fault.line - task.header_lines, fault.column)
            problems.append(_flux(work.source, FluxFault(*(place or (0, 0)), fault.message)))
    return problems


def _lints(found: list[_Work]) -> list[Problem]:
    problems: list[Problem] = []
    written: dict[tuple[str, str, str], list[tuple[_Work, Rollup]]] = defaultdict(list)
    for work in found:
        source, task = work.source, work.task
        known = task is not None and (source.spec is not None or work.facts.task is not None)
        try:
            work.script = Script(
                source.text,
                source.tree or {},
                schedule=task.schedule if task and known else None,
                prelude=task.prelude if task and known else None,
                retention=source.retention,
                denies=source.policy.denies,
            )
            place = f"{source.file}:{source.place(1, 1)[0]}"
            for one in rollups(work.script, f"{source.subject} ({place})" if source.subject else place):
                written[*_group(source), one.bucket].append((work, one))
        except (TooBig, RecursionError):
            problems.append(_too_big(source))
            work.script = None
    for work in found:
        group = _group(work.source)
        others = [
            one
            for bucket in sorted(work.facts.reads)
            for other, one in written.get((*group, bucket), ())
            if other is not work
        ]
        try:
            problems += list(_of_lints(work, others))
        except (TooBig, RecursionError):
            problems.append(_too_big(work.source))
    return problems


def _too_big(source: Source) -> Problem:
    message = "the script unfolds to more than a lint can follow: only syntax and types are checked"
    return source.problem("too-big", message, severity=Severity.WARNING)


def _group(source: Source) -> tuple[str, str]:
    """The connection whose buckets a script uses; all .flux files share one."""
    if source.spec is None:
        return ("", "")
    ref = source.spec.connection_ref
    return (ref.namespace or source.namespace, ref.name)


def _of_lints(work: _Work, upstream: list[Rollup]) -> Iterator[Problem]:
    hits = lint(work.script, upstream) if work.script else []
    for hit in hits:
        yield work.source.problem(
            hit.rule.name,
            hit.message,
            hit.line,
            hit.column,
            (hit.end_line, hit.end_column),
            severity=hit.severity or hit.rule.severity,
            remedy=hit.rule.remedy,
        )
    told = any(hit.rule.name in _OWN_WORDS and (hit.severity or hit.rule.severity) is Severity.ERROR for hit in hits)
    if work.fault is not None and not told:
        yield work.source.problem("script", str(work.fault))
