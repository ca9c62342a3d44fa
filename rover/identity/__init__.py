"""Who a process is beyond its executable: its container, its pod, and the service that these make it part of.

Public surface: `place_of` reads a cgroup, a `Directory` answers with a `Who`, `maybe_service` makes a name of it."""

from rover.identity.directory import Directory
from rover.identity.names import NOBODY, Container, Pod, Who
from rover.identity.place import Place, place_of
from rover.identity.template import maybe_filled, maybe_service

__all__ = ["NOBODY", "Container", "Directory", "Place", "Pod", "Who", "maybe_filled", "maybe_service", "place_of"]
