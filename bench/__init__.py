"""What influxops costs, beside a bare loop that makes the same necessary calls: ``python -m bench`` (``make bench``).

Every size gets fresh servers. The operator runs as its own process, as users start it, and is measured from outside:
by the API server, by InfluxDB, by its own ``/metrics`` and by the kernel's accounts of its processes. The bare loop
(``bench.bare``) is a process too; it knows beforehand what is to be done and decides nothing.
"""
