"""Runnable experiments and benchmarks; their results are in ``results/``."""
