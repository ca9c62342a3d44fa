"""Which processes are watched, and who they are.

Public surface: `Rules` decide, a `ProcessTable` applies them to what the kernel tells, a `Confirmer` is the thread that
does so for an engine. What the rules mean stands in `rover.config`. No traffic passes here."""

from rover.processes.confirm import Confirmer
from rover.processes.rules import Rules
from rover.processes.source import RulesSource
from rover.processes.table import Decision, ProcessTable

__all__ = ["Confirmer", "Decision", "ProcessTable", "Rules", "RulesSource"]
