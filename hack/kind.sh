#!/usr/bin/env bash
# A cluster with kind, InfluxDB from its official image, the operator from its Dockerfile, and the samples at work.
# Needs Docker, kind and kubectl. Again: does only what is left to do. Away with it: kind delete cluster --name influxops
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly cluster=influxops image=influxops:dev context=kind-influxops
readonly timeout=180s

step() { printf '\n== %s\n' "$*"; }
fail() { printf 'make kind: %s\n' "$*" >&2; exit 1; }
kube() { kubectl --context "$context" "$@"; }

for tool in docker kind kubectl; do
  command -v "$tool" >/dev/null || fail "$tool is missing; install it, or use make demo, which needs neither Docker nor kind"
done
docker info >/dev/null 2>&1 || fail "Docker does not answer; start it, or use make demo, which does not need it"

step "image $image"
docker build --file operator/Dockerfile --tag "$image" .

step "cluster $cluster"
if ! kind get clusters 2>/dev/null | grep -qx "$cluster"; then
  kind create cluster --config kind-config.yaml --wait "$timeout"
fi
kind load docker-image "$image" --name "$cluster"

step "InfluxDB"
kube apply --server-side -k manifests/kind/influxdb
step "operator"
kube apply --server-side -k manifests/kind/operator
kube wait --for=condition=Established --timeout=60s crd -l app.kubernetes.io/name=influxops
kube -n influxops-system rollout restart deployment/influxops # a rebuilt image has the same tag
kube -n influxdb rollout status deployment/influxdb --timeout="$timeout"
kube -n influxops-system rollout status deployment/influxops --timeout="$timeout"

step "samples"
kube apply --server-side -k manifests/kind/demo
kube -n influxops-demo wait --for=condition=Ready --timeout="$timeout" \
  influxconnections,retentionpolicies,influxtasks,influxpipelines --all
for task in cpu-downsample cpu-peak meter-broken; do
  kube -n influxops-demo wait --for='jsonpath={.status.lastRun.state}' --timeout="$timeout" "influxtask/$task"
done
kube -n influxops-demo get influx

cat <<END

Go on:
  kubectl --context $context -n influxops-demo get influxtasks --watch
  http://localhost:8086 with demo / demo-on-kind
  kind delete cluster --name $cluster
END
