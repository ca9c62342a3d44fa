"""The shop that people look at first."""
