"""What the kernel's layers took, held against something that is not rover: tc, nft, TCP_INFO, counters, stopwatches.

The attach mode is that of the environment (`ROVER_KERNEL_ATTACH`), as rover itself reads it; without it, the best that
this kernel has. `make vm` runs these files on other kernels in each mode. What a kernel or a mode lacks is skipped,
with a word.
"""
