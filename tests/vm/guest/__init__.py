"""Tests that run in a booted kernel: `make vm`. What the machine's own kernel shows is tested elsewhere."""
