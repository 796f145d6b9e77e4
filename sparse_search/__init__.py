"""Bayesian multi-objective architecture search for microcontrollers.

From a data set and a board to a Pareto front of small networks, and from a network of the front
to int8 C that is proved to fit and to compute what the search measured.
"""

__version__ = "0.1.0"
