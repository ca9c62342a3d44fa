"""What rover costs and what it misses, measured from outside.

`make bench` measures on this machine, `make bench-vm` counts instructions in a virtual one. A row of the table is a
figure with its limit. The servers and clients are those of the tests' stage.
"""
