"""Record the gallery: test data of a real cluster, for the tests without one and for whoever proposes the scripts to Argo CD.

``.venv/bin/python -m tests.support.record_gallery`` starts servers and an operator of its own. The tests of
tests/integration/gitops tell when what is recorded is out of date.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from devstack.stack import Stack
from tests.support import stack as support
from tests.support.gallery import State, gallery
from tests.support.lab import Lab
from tests.support.operator import OperatorProcess

RECORDED = Path(__file__).with_name("recorded_gallery.json")
Object = dict[str, Any]


def recorded() -> dict[str, Object]:
    """The recorded objects by the text of their state."""
    found: dict[str, Object] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return found


def write(found: dict[State, Object]) -> None:
    """Write them, without the field owners: these are long, and nobody reads them here."""
    for item in found.values():
        item["metadata"].pop("managedFields", None)
    texts = {str(state): item for state, item in found.items()}
    RECORDED.write_text(json.dumps(texts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Record."""
    with Stack.start() as stack, tempfile.TemporaryDirectory() as folder:
        support.install_crds(stack)
        with (
            OperatorProcess(stack.kubeconfig, Path(folder) / "operator.log") as operator,
            support.fresh_namespace(stack) as namespace,
            support.fresh_org(stack) as org,
            support.fresh_org(stack) as other,
        ):
            operator.leads()
            lab = Lab(stack, operator, namespace, org)
            with gallery(lab, other) as found:
                write(found)
            lab.clear()
            lab.close()


if __name__ == "__main__":
    main()
