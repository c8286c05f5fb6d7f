"""Real etcd, kube-apiserver, kube-controller-manager and influxd as local processes.

The demo, the tests and the benchmarks stand on it; it needs neither Docker nor root. Two ways in:

- ``python -m devstack up|status|env|down``: a stack in the background, for a person at a terminal;
- :class:`devstack.stack.Stack`: a stack that lives as long as the ``with`` block, for tests and benchmarks.

Linux only: that no server outlives its parent rests on ``prctl(PR_SET_PDEATHSIG)``.
"""
