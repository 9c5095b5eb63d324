"""Real faults under load: after each, the table holds what enqueue_point accepted, all of it, once, in order."""
