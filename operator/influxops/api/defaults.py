"""Defaults that hold and are not written into objects."""

from __future__ import annotations

from typing import Any


def unpromised(schema: dict[str, Any]) -> None:
    """For ``json_schema_extra``: the models know the default, the CRD does not, so that the API server stores nothing.

    For figures that experience may change, and for every default within a list: GitOps tools that compare lists as a whole
    would find stored defaults a difference for ever. The field's description tells the default.
    """
    schema.pop("default", None)
