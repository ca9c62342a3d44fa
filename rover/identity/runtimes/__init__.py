"""Container runtimes: names, images and labels of containers, asked of the sockets that are there.

Public surface: `Runtimes` answers by container id. How each runtime is asked stands in a module of its own."""

from rover.identity.runtimes.runtimes import Runtimes

__all__ = ["Runtimes"]
