"""CPU time and memory of a process, as the kernel counts them."""

from pathlib import Path


def cpu_ns_by_thread(pid: int) -> dict[str, int]:
    """Nanoseconds on a CPU of each thread of a process, by the thread's name; threads of one name are added up."""
    times: dict[str, int] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            name = (task / "comm").read_text().strip()
            spent = int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
        times[name] = times.get(name, 0) + spent
    return times


def cpu_ns(pid: int) -> int:
    """Nanoseconds on a CPU of all threads of a process that still run."""
    return sum(cpu_ns_by_thread(pid).values())


def resident_bytes(pid: int, is_peak: bool = False) -> int:
    """Resident memory of a process now, or the most it ever had."""
    wanted = "VmHWM:" if is_peak else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(wanted):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)
