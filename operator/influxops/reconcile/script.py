"""From an InfluxTask to the script that is to be stored: template, facts, header and prelude, and the server's verdict."""

from __future__ import annotations

from typing import Any, Protocol

from influxops.api.errors import SpecInvalid
from influxops.api.influxtask import InfluxTaskSpec
from influxops.api.template import Template
from influxops.core.desired import DesiredTask, SpecFault, allowed_buckets, desired_task
from influxops.core.flux.facts import ScriptFacts
from influxops.core.flux.nesting import TOO_DEEP, may_be_deep
from influxops.core.flux.render import to_user_place
from influxops.core.marker import sha256
from influxops.core.outcome import Reason, Wait
from influxops.core.template import TemplateFault
from influxops.influx.errors import ScriptInvalid
from influxops.kube.errors import Forbidden as KubeForbidden
from influxops.library.catalogue import at_hand
from influxops.reconcile.context import Link
from influxops.reconcile.references import NotUsable, poll_after
from influxops.reconcile.task_visit import TaskVisit


class Scripted(Protocol):
    """What has a script: an InfluxTask's spec, or a stage."""

    @property
    def flux(self) -> str | None:
        """The script itself."""

    @property
    def template(self) -> Template | None:
        """The template that renders to it."""


async def user_script(visit: TaskVisit, spec: Scripted, where: str = "spec") -> str:
    """The script as the user means it: inline, or rendered from a template. Raises SpecFault and NotUsable.

    ``where`` is the path of what has the script, for messages.
    """
    template = spec.template
    if template is None or template.config_map_key_ref is None:
        visit.state.configmap = ("", "", "")
    if template is None:
        return spec.flux or ""
    known = _at_hand(template, where)
    if known is not None:
        text, values = known
    elif template.config_map_key_ref is not None:
        ref = template.config_map_key_ref
        text, values = await _configmap(visit, ref.name, ref.key), template.values
    else:
        raise SpecFault(f"{where}.template has neither inline nor configMapKeyRef nor library")
    try:
        return await visit.context.renderer.render(text, values)
    except TemplateFault as fault:
        raise SpecFault(f"{_where(template, where)}: {fault}", Reason.INVALID_SCRIPT) from None


def _at_hand(template: Template, where: str) -> tuple[str, dict[str, Any]] | None:
    try:
        return at_hand(template, f"{where}.template")
    except SpecInvalid as error:
        raise SpecFault(str(error)) from None


def _where(template: Template, where: str) -> str:
    """Which text a fault of the template is in."""
    if template.library is not None:
        return f"{where}.template.library {template.library.value}"
    ref = template.config_map_key_ref
    return f"{where}.template.inline" if ref is None else f"ConfigMap {ref.name}, key {ref.key}"


async def _configmap(visit: TaskVisit, name: str, key: str) -> str:
    context, state = visit.context, visit.state
    namespace = visit.record.key.namespace
    try:
        exists, text = await context.configmaps.text(namespace, name, key)
    except KubeForbidden as error:
        message = f"influxops may not read ConfigMap {namespace}/{name} (spec.template.configMapKeyRef): {error}"
        raise NotUsable(Wait(Reason.DEPENDENCY_NOT_READY, message, after=60.0)) from None
    if text is None:
        what = f"ConfigMap {namespace}/{name}" if not exists else f"key {key!r} of ConfigMap {namespace}/{name}"
        state.waiting_since = state.waiting_since or context.clock()
        raise NotUsable(
            Wait(
                Reason.DEPENDENCY_NOT_READY,
                f"{what} (spec.template.configMapKeyRef) does not exist: create it",
                after=poll_after(context, state.waiting_since, visit.link.spec.sync_interval.seconds),
            )
        )
    state.configmap = (name, key, sha256(text))
    return text


async def script_facts(link: Link, script: str) -> ScriptFacts:
    """The facts of a script, from the server's syntax tree of it or of one of its shape.

    Raises SpecFault(InvalidScript) with line and column in the user's own text for bad syntax.
    """
    known = link.scripts.get(script)
    if known is not None:
        return known
    if may_be_deep(script):
        await _refuse_deep(link, script)
    try:
        return link.scripts.learn(script, await link.call("ast", lambda port: port.ast(script)))
    except ScriptInvalid as error:
        raise _fault(error, (error.line, error.column) if error.line else None) from None


async def _refuse_deep(link: Link, script: str) -> None:
    """Ask the compiler, which refuses at once what the parser would be at for minutes. Its other faults are for later: the script is
    not rendered yet.
    """
    try:
        await link.call("check_script", lambda port: port.check_script(link.org_id, script))
    except ScriptInvalid as error:
        if TOO_DEEP in str(error):
            raise SpecFault(
                f"InfluxDB refuses the script: {error}; use contains(set: …), or fewer operators in one expression",
                Reason.INVALID_SCRIPT,
            ) from None


async def desired(visit: TaskVisit, spec: InfluxTaskSpec) -> tuple[DesiredTask, str]:
    """The task as it should be, and the user's script. Raises SpecFault and NotUsable."""
    link = visit.link
    script = await user_script(visit, spec)
    if not script.strip():
        raise SpecFault("the script is empty: write Flux into spec.flux or spec.template", Reason.INVALID_SCRIPT)
    facts = await script_facts(link, script)
    buckets = allowed_buckets(link.spec.policy)
    return desired_task(spec, script, facts, visit.owner, visit.record.uid, link.spec.policy, buckets), script


async def check(link: Link, task: DesiredTask, script: str) -> None:
    """Let the server type-check the whole script without any effect, unless it has found one of its shape well typed.

    Raises SpecFault(InvalidScript) with the place in the user's own script.
    """
    known = link.scripts
    if known.well_typed(script, task.rendered.text):
        return
    try:
        await link.call("check_script", lambda port: port.check_script(link.org_id, task.script))
        known.found_well_typed(script, task.rendered.text)
    except ScriptInvalid as error:
        place = None
        if error.line and error.column:
            place = to_user_place(script, task.rendered, error.line - task.header_lines, error.column)
        raise _fault(error, place) from None


def _fault(error: ScriptInvalid, place: tuple[int | None, int | None] | None) -> SpecFault:
    where = f"line {place[0]}, column {place[1]}: " if place else ""
    return SpecFault(f"the script is not valid Flux: {where}{error}", Reason.INVALID_SCRIPT)
