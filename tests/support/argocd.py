"""What Argo CD makes of our objects: the scripts of manifests/argocd, in a Lua that has as little as Argo CD gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from lupa.lua51 import LuaError, LuaRuntime, lua_type

__all__ = ["LuaError", "action_patch", "health", "offered", "run", "scripts"]
CONFIG = Path(__file__).parents[2] / "manifests/argocd/argocd-cm.yaml"
Object = dict[str, Any]

# Argo CD opens the base, package and table libraries, and an `os` of two functions that only require() finds. A script that
# uses strings, io or a global os works in a Lua shell and fails there.
SANDBOX = """
local os_time, os_date = os.time, os.date
for _, name in ipairs({ "io", "math", "debug", "coroutine", "string", "os", "python" }) do
  _G[name] = nil
  package.loaded[name] = nil
end
package.loaders = { package.loaders[1] }
package.preload.os = function() return { time = os_time, date = os_date } end
getmetatable("").__index = nil
"""


def scripts(kind: str, what: str) -> str:
    """The script for a kind in the ConfigMap: ``health`` or ``actions``."""
    data = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["data"]
    return str(data[f"resource.customizations.{what}.influxops.dev_{kind}"])


def run(script: str, item: Object) -> Any:
    """The value that a script returns for an object, as Argo CD reads it."""
    lua = LuaRuntime(register_eval=False, register_builtins=False)
    lua.execute(SANDBOX)
    lua.globals().obj = lua.table_from(_without_nulls(item), recursive=True)
    return _plain(lua.execute(script))


def health(item: Object) -> tuple[str, str]:
    """Status and message that Argo CD shows for an object."""
    found = run(scripts(item["kind"], "health"), item)
    return found["status"], found["message"]


def offered(item: Object) -> set[str]:
    """The actions that Argo CD offers for an object and that are not disabled."""
    found = run(yaml.safe_load(scripts(item["kind"], "actions"))["discovery.lua"], item)
    return {name for name, options in found.items() if not (options and options["disabled"])}


def action_patch(item: Object, name: str) -> Object:
    """The merge patch that Argo CD sends for an action: what the script returns, less what was there."""
    defined = yaml.safe_load(scripts(item["kind"], "actions"))["definitions"]
    (script,) = [one["action.lua"] for one in defined if one["name"] == name]
    return _difference(item, _cleaned(run(script, item), item))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """A Lua value as JSON has it. An empty table becomes an empty list: Lua does not know which it was."""
    if lua_type(value) != "table":
        return value
    keys = list(value.keys())
    if keys == list(range(1, len(keys) + 1)):
        return [_plain(value[key]) for key in keys]
    return {str(key): _plain(value[key]) for key in keys}


def _cleaned(new: Any, old: Any) -> Any:
    """Empty lists that were empty objects are these again, as in Argo CD."""
    if new == [] and isinstance(old, dict):
        return old
    if isinstance(new, dict) and isinstance(old, dict):
        return {key: _cleaned(value, old.get(key)) for key, value in new.items()}
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return [_cleaned(one, other) for one, other in zip(new, old, strict=True)]
    return new


def _difference(old: Object, new: Object) -> Object:
    patch: Object = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := _difference(before, value):
                patch[key] = inner
        elif value != before:
            patch[key] = value
    return patch
