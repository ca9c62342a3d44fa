"""The stage on which rover is tried: rover as a process, real servers and clients around it, judges of its records.

Used by tests/fidelity, tests/hostile and bench/. Nothing here knows how rover works inside: it is driven by its command
line and judged by its output alone.
"""
