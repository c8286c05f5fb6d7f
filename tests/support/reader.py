"""A user who may read our objects and nothing else: no Secret, no other namespace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from devstack.stack import Stack

NAME = "reader"
KINDS = ("influxtasks", "retentionpolicies", "influxconnections", "influxpipelines", "influxbackfills")


def reader_kubeconfig(stack: Stack, namespace: str, name: str = NAME, kinds: Sequence[str] = KINDS) -> Path:
    """Make such a user in a namespace; its kubeconfig."""
    rule = {
        "apiGroups": ["influxops.dev"],
        "resources": list(kinds),
        "verbs": ["get", "list", "patch"],
    }
    made = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": name},
            "rules": [rule],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        },
    ]
    stack.kubectl("apply", "-n", namespace, "-f", "-", input=yaml.safe_dump_all(made))
    return stack.service_account_kubeconfig(namespace, name)
