"""The template process: right answers, and no template takes more time or memory than it may."""

from __future__ import annotations

import asyncio

import pytest

from influxops.core.template import TemplateFault
from influxops.engine.renderer import TemplateProcess


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
