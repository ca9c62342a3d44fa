"""Plaintext of TLS libraries as the kernel side tells it, held against what clients and servers counted themselves."""
