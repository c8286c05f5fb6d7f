"""The loop of a pipeline on a desk."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.pipeline_desk import PipelineDesk


@pytest.fixture
async def desk() -> AsyncIterator[PipelineDesk]:
    """A desk whose loop is ended."""
    made = PipelineDesk()
    yield made
    made.fake.go.set()
    await made.stop()
