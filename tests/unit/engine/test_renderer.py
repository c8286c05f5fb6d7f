"""The template process: right answers, and no template takes more time or memory than it may."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from influxops.core.template import TemplateFault
from influxops.engine.renderer import MEMORY, TemplateProcess


async def test_it_renders_and_remembers() -> None:
    process = TemplateProcess()
    try:
        assert await process.render("{{ values.n }}", {"n": 1}) == "1"
        assert await asyncio.gather(*(process.render("{{ values.n }}", {"n": n}) for n in range(20))) == [
            str(n) for n in range(20)
        ]
    finally:
        await process.close()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "longer than"),
        ("{{ ('x' * 900000000) | length }}", "memory"),
        ("{{ '%900000000d' % 1 }}", "memory"),
    ],
)
async def test_a_hostile_template_fails_alone(source: str, says: str) -> None:
    """It is told so, and the next template is rendered."""
    process = TemplateProcess(timeout=3.0)
    try:
        with pytest.raises(TemplateFault, match=says):
            await process.render(source, {})
        assert await process.render("{{ 2 }}", {}) == "2"
    finally:
        await process.close()


async def test_what_a_template_may_take_leaves_the_operator_its_memory() -> None:
    """Parent and child share the Pod's limit; and the kernel takes the child first."""
    process = TemplateProcess()
    try:
        with pytest.raises(TemplateFault, match="memory"):
            await process.render("{% set a = 'x' * values.n %}{{ a | length }}", {"n": 100_000_000})
        assert await process.render("{{ 2 }}", {}) == "2"
        child = process._child
        assert child is not None
        proc = Path(f"/proc/{child.pid}")
        assert proc.joinpath("oom_score_adj").read_text().strip() == "1000"
        peak = int(re.findall(r"VmHWM:\s+(\d+) kB", proc.joinpath("status").read_text())[0]) * 1024
        assert peak < 2 * MEMORY
    finally:
        await process.close()


async def test_a_template_that_took_too_long_is_not_tried_again_at_once() -> None:
    """All others wait while one is rendered."""
    process = TemplateProcess(timeout=1.0)
    slow = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    try:
        with pytest.raises(TemplateFault, match="longer than"):
            await process.render(slow, {})
        assert process._child is None
        with pytest.raises(TemplateFault, match="longer than"):
            await process.render(slow, {})
        assert process._child is None, "nobody was asked"
        assert await process.render("{{ 2 }}", {}) == "2"
    finally:
        await process.close()
