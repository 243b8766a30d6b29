"""What the benchmarks share: a database of their own, measuring, reporting."""
