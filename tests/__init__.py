"""Tests of rover. They mirror the sources; `fidelity`, `hostile` and `vm` judge the whole program from outside."""
