"""``python -m devstack.demo``: run the demo; ``--down``: end what it left up."""

from __future__ import annotations

import argparse
import sys

from devstack.background import down, up
from devstack.demo import operator, samples, show
from devstack.errors import DevstackError
from devstack.progress import Progress
from devstack.state import DEFAULT_NAME, Place

SECONDS = 210.0
"""How long the first results may take."""


def main() -> int:
    """The exit status: 0 when the results are in."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--down", action="store_true", help="end the operator and the servers, and remove their data")
    arguments = parser.parse_args()
    try:
        return end() if arguments.down else run()
    except DevstackError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; `make down` ends what runs", file=sys.stderr)
        return 130


def run() -> int:
    """Servers, CRDs, operator, data, samples; then watch until every task has run."""
    place = Place.of(DEFAULT_NAME)
    show.step("etcd, kube-apiserver, kube-controller-manager and influxd on loopback")
    state = up(DEFAULT_NAME, Progress())
    show.step("CRDs: kubectl apply --server-side -f crds")
    samples.install_crds(state)
    show.step("the operator: influxops operator")
    operator.start(place, state)
    show.step("ten minutes of sample data into bucket raw")
    samples.write_data(state)
    show.step("the samples: kubectl apply -k manifests/samples")
    samples.apply(state)
    show.step("kubectl get influx, until every task and the pipeline have run")
    if not show.until_all_have_run(state, SECONDS):
        print(f"\nNot every task has a result after {SECONDS:.0f} s. The operator's log: {operator.log_of(place)}")
        return 1
    show.step("the latest window that each stage of pipeline climate completed: start, stop, rows")
    show.pipeline(state)
    show.step("what the failing sample says")
    show.failure(state)
    show.step("rows that cpu-downsample wrote into bucket hourly")
    rows = samples.read_rows(state)
    show.rows(rows)
    show.how_to_go_on(state, str(operator.log_of(place)))
    return 0 if rows else 1


def end() -> int:
    """End the operator first, then the servers."""
    place = Place.of(DEFAULT_NAME)
    stopped = operator.stop(place)
    was_up = down(DEFAULT_NAME, Progress())
    print("the demo has ended" if stopped or was_up else "no demo was up")
    return 0


if __name__ == "__main__":
    sys.exit(main())
