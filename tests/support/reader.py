"""A user who may read our objects and nothing else: no Secret, no other namespace."""

from __future__ import annotations

from pathlib import Path

import yaml

from devstack.stack import Stack

NAME = "reader"


def reader_kubeconfig(stack: Stack, namespace: str) -> Path:
    """Make such a user in a namespace; its kubeconfig."""
    rule = {
        "apiGroups": ["influxops.dev"],
        "resources": ["influxtasks", "retentionpolicies", "influxconnections"],
        "verbs": ["get", "list", "patch"],
    }
    made = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": NAME},
            "rules": [rule],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": NAME},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
        },
    ]
    stack.kubectl("apply", "-n", namespace, "-f", "-", input=yaml.safe_dump_all(made))
    return stack.service_account_kubeconfig(namespace, NAME)
