"""``influxops backfill``: windows of a range run once, as an InfluxBackfill."""

from __future__ import annotations

import random
import string
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influxops.cli.cluster import Context, Kubeconfig, Namespace, existing, with_client
from influxops.cli.meant import home
from influxops.core.conditions import rfc3339
from influxops.core.keys import Key, Kind
from influxops.core.pipeline.backfill.times import parse_end, understood
from influxops.kube.errors import AlreadyExists
from influxops.settings import ConfigError

if TYPE_CHECKING:
    from influxops.kube.client import KubeClient

INTERRUPTED = 130
"""Exit status after Ctrl-C, as of a shell."""
DRY_RUN_KEPT = 600
"""Seconds after which the object of a dry run deletes itself."""
LONGEST_PREFIX = 40
_KINDS = {"pipeline": Kind.PIPELINE, "influxpipeline": Kind.PIPELINE, "task": Kind.TASK, "influxtask": Kind.TASK}
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels, so that no words come about; as Kubernetes does it."""


class Again(StrEnum):
    """Which windows of the range run."""

    NONE = "None"
    FAILED = "Failed"
    COMPLETED = "Completed"


class Order(StrEnum):
    """Which window runs first."""

    OLDEST = "OldestFirst"
    NEWEST = "NewestFirst"


class Output(StrEnum):
    """What is printed instead of being created."""

    YAML = "yaml"


Target = Annotated[str, typer.Argument(metavar="KIND/NAME", help="pipeline/NAME or task/NAME.")]
_TIME = "RFC 3339, a day (by the pipeline's time zone), a time ago such as -30d, or now"


def backfill(
    name: Target,
    start: Annotated[str, typer.Option("--from", help=f"Start of the range: {_TIME}.", metavar="TIME")],
    stop: Annotated[str, typer.Option("--to", help="End of the range, which is not in it: likewise.", metavar="TIME")],
    stages: Annotated[
        list[str] | None,
        typer.Option("--stage", help="Stage that runs; repeat for more. Default all.", metavar="STAGE"),
    ] = None,
    descendants: Annotated[
        bool, typer.Option("--descendants/--no-descendants", help="Also run what is made of a window that runs.")
    ] = True,
    reprocess: Annotated[
        Again,
        typer.Option(
            "--reprocess",
            case_sensitive=False,
            help="None: windows that have not run. Failed: those and failed ones. Completed: all.",
        ),
    ] = Again.NONE,
    order: Annotated[
        Order, typer.Option("--order", case_sensitive=False, help="Which window runs first.")
    ] = Order.OLDEST,
    max_active: Annotated[int, typer.Option("--max-active", min=1, max=64, help="Runs at one time.")] = 4,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run nothing: show what would run, and how long it would take.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it to its end; exit with 1 if windows failed.")] = False,
    called: Annotated[
        str, typer.Option("--name", help="Name of the InfluxBackfill; default one that is free.", metavar="NAME")
    ] = "",
    output: Annotated[
        Output | None, typer.Option("-o", "--output", help="Print the manifest, and create nothing.")
    ] = None,
    namespace: Namespace = "",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Run the windows of a range once, in the order of their stages: what is older than the pipeline, or has failed.

    It makes an InfluxBackfill, which the operator works off beside the schedule. It goes on when this command has ended;
    influxops suspend and resume take backfill/NAME, and deleting it ends it. Windows that have run are left alone unless
    --reprocess says otherwise. Windows that are not wholly in the range, or are not over yet, do not run.
    """
    target = _target(name, home(namespace, kubeconfig, context))
    now = datetime.now(UTC)

    async def work(client: KubeClient) -> int:
        zone = _zone(await existing(client, target))
        first, last = _moment("--from", start, zone, now), _moment("--to", stop, zone, now)
        if first >= last:
            raise ConfigError(f"--to: {understood(last, zone)} is not after --from, {understood(first, zone)}")
        spec = _spec(target, first, last)
        spec |= {"stages": stages} if stages else {}
        spec |= {"includeDescendants": False} if not descendants else {}
        spec |= {"reprocess": str(reprocess), "order": str(order), "maxActiveWindows": max_active}
        spec |= {"dryRun": True, "ttlSecondsAfterFinished": DRY_RUN_KEPT} if dry_run else {}
        key = Key(Kind.BACKFILL, target.namespace, called or _free_name(target.name, first))
        body = {
            "apiVersion": key.kind.api_version,
            "kind": key.kind.value,
            "metadata": {"name": key.name, "namespace": key.namespace},
            "spec": spec,
        }
        if output is not None:
            from influxops.preview.yamltext import document

            typer.echo(document(body), nl=False)
            return 0
        made = await _made(client, key, body)
        typer.echo(key.name)
        typer.echo(f"{key}: windows of {target} from {understood(first, zone)} to {understood(last, zone)}", err=True)
        if not wait and not dry_run:
            return 0
        from influxops.cli.backfill_watch import follow

        watched.append(key)
        return await follow(client, key, str(made["metadata"]["uid"]))

    watched: list[Key] = []
    try:
        status = with_client(kubeconfig, context, work)
    except KeyboardInterrupt:
        if not watched:
            raise
        _goes_on(watched[0])
        raise typer.Exit(INTERRUPTED) from None
    if status:
        raise typer.Exit(status)


async def _made(client: KubeClient, key: Key, body: dict[str, Any]) -> dict[str, Any]:
    try:
        made: dict[str, Any] = await client.create(key, body)
    except AlreadyExists:
        raise ConfigError(f"--name: {key} exists already: write another name, or leave --name out") from None
    return made


def _target(name: str, namespace: str) -> Key:
    """The pipeline or task that is meant. Raises ConfigError for anything else."""
    kind, slash, rest = name.partition("/")
    found = _KINDS.get(kind.lower().partition(".")[0].removesuffix("s"))
    if not slash or not rest or found is None:
        raise ConfigError(f"{name!r}: write whose windows run, pipeline/NAME or task/NAME")
    return Key(found, namespace, rest)


def _zone(found: dict[str, Any]) -> str:
    """The zone of a pipeline's windows; the slots of tasks are of UTC."""
    return str(((found.get("spec") or {}).get("window") or {}).get("timezone") or "UTC")


def _moment(option: str, text: str, zone: str, now: datetime) -> datetime:
    try:
        return parse_end(text, zone, now)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from error


def _spec(target: Key, first: datetime, last: datetime) -> dict[str, Any]:
    reference = "pipelineRef" if target.kind is Kind.PIPELINE else "taskRef"
    return {reference: {"name": target.name}, "start": rfc3339(first), "stop": rfc3339(last)}


def _free_name(target: str, first: datetime) -> str:
    """Such as ``energy-20261101-x7k2q``."""
    tail = "".join(random.choices(_LETTERS, k=5))  # noqa: S311 (a name, no secret)
    prefix = target[:LONGEST_PREFIX].rstrip("-." + string.whitespace)
    return f"{prefix}-{first:%Y%m%d}-{tail}"


def _goes_on(key: Key) -> None:
    here = f"-n {key.namespace}"
    typer.echo(
        f"\n{key} goes on. influxops suspend backfill/{key.name} {here} holds it, "
        f"kubectl delete influxbackfill {key.name} {here} ends it",
        err=True,
    )
