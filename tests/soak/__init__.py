"""The soak: hundreds of objects, users who change them all the time, and a fault every 10 to 30 s. ``make soak``.

Real servers and two operators with a Lease, as users run them. It ends fault-free: waits until everything is as the
objects say, judges with the oracles, watches that nobody writes any more, and reports what the operators grew by.
"""
