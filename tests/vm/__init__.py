"""Other kernels, booted in a virtual machine: `make vm`."""
