"""Instruments from the other side of the wire: each as its manual says, written without a look at its driver.

A simulator is a pure object: bytes or registers in, bytes out, state in between, the time passed in. The modules have
the names of their drivers, and each has ``simulate()``, which returns a transport with that instrument at its end.
:mod:`PyExpLabSys.simulators.serving` puts simulators on pseudo-terminals, TCP ports and buses, and makes them fail.
"""
