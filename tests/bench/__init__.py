"""Tests of the bench itself: what it counts with must count right."""
