"""rover: an access log of every HTTP exchange on a Linux node, read from the kernel."""

__version__ = "0.1.0"
