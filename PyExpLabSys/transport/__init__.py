"""The wires: bytes and registers, their time-outs, their faults. Nothing in here knows an instrument."""
