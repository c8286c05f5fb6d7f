"""Templates are rendered in a process of its own, so that no template can take the operator's time or memory.

One child renders one template after another; it is started when it is needed, killed when it takes too long, and ends by
itself when it has been idle.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, TypeVar

from influxops.core.marker import sha256
from influxops.core.template import TemplateFault

TIMEOUT = 5.0
"""Seconds for one template, the start of the child included."""
MEMORY = 64 * 1024 * 1024
"""Bytes of address space that the child may use beyond its start. It is in the operator's Pod: the manifest leaves room for it."""
SLOW_FOR = 60.0
"""Seconds for which a template that took too long is not tried again: all others wait while it is."""
IDLE = 30.0
"""Seconds without work after which the child ends."""
MEMO = 256
"""Rendered scripts, and templates that took too long, that are remembered."""

T = TypeVar("T")


class TemplateProcess:
    """The child and its memory of what it rendered."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._memo: OrderedDict[str, str] = OrderedDict()
        self._slow: OrderedDict[str, float] = OrderedDict()
        """Until when a template is not tried again, by the loop's clock."""

    async def render(self, source: str, values: Mapping[str, Any]) -> str:
        """Render a template. Raises TemplateFault, also for one that takes too much time or memory."""
        request = json.dumps({"source": source, "values": dict(values)}, sort_keys=True)
        memo = sha256(request)
        if memo in self._memo:
            self._memo.move_to_end(memo)
            return self._memo[memo]
        clock = asyncio.get_running_loop().time
        if self._slow.get(memo, 0.0) > clock():
            raise TemplateFault(self._too_slow)
        async with self._lock:
            answer = await self._ask(request)
        if answer.get("fault") == self._too_slow:
            _keep(self._slow, memo, clock() + SLOW_FOR)
        if "fault" in answer:
            raise TemplateFault(answer["fault"])
        text = answer["text"]
        _keep(self._memo, memo, text)
        return text

    @property
    def _too_slow(self) -> str:
        return f"it took longer than {self._timeout:g} s: make its loops shorter"

    async def close(self) -> None:
        """End the child."""
        if self._idle is not None:
            self._idle.cancel()
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            child.kill()
            await child.wait()

    async def _ask(self, request: str) -> dict[str, str]:
        try:
            async with asyncio.timeout(self._timeout):
                child = await self._start()
                to_child, from_child = child.stdin, child.stdout
                if to_child is None or from_child is None:
                    raise OSError("the child has no pipes")
                to_child.write(request.encode() + b"\n")
                await to_child.drain()
                line = await from_child.readline()
        except TimeoutError:
            await self.close()
            return {"fault": self._too_slow}
        except (OSError, ValueError):
            line = b""
        except BaseException:
            await self.close()  # a cancelled request leaves its answer in the pipe
            raise
        if not line.endswith(b"\n"):
            await self.close()
            return {"fault": "it took more memory or text than a template may: make it smaller"}
        self._rest()
        answer: dict[str, str] = json.loads(line)
        return answer

    async def _start(self) -> asyncio.subprocess.Process:
        if self._child is None or self._child.returncode is not None:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "influxops.engine.render_child",
                str(MEMORY),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=4 * 1024 * 1024,
            )
        return self._child

    def _rest(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(IDLE, lambda: loop.create_task(self._end_when_free()))

    async def _end_when_free(self) -> None:
        async with self._lock:
            await self.close()


def _keep(known: OrderedDict[str, T], name: str, value: T) -> None:
    known[name] = value
    while len(known) > MEMO:
        known.popitem(last=False)
