"""The search: what is evaluated next, from what was evaluated so far."""
