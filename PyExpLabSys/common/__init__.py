"""From a reading to delivered points: queue, delivery, sinks, and the names that lab scripts import."""
