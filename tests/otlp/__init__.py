"""Spans and metrics, as a real collector takes them and as the official protocol files read them."""
