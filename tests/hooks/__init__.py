"""Hooks that cannot be had, one way or another: what is left goes on, or rover ends with one clear line.

Everything here is real: the engine as it was built (or a copy with one wrong byte), this kernel, this verifier. What a
mode measures, and whether it is true, is judged in tests/layers.
"""
