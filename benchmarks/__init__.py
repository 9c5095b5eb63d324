"""How fast and how small it is: ``python -m benchmarks``, the figures of docs/performance.md."""
