"""Counters of the kernel that have nothing to do with rover: devices, queues, netfilter, SNMP."""

from typing import NamedTuple

from tests.stage.namespaces import Hosts


class Traffic(NamedTuple):
    """Packets and their bytes."""

    packets: int
    bytes: int

    def since(self, before: "Traffic") -> "Traffic":
        """What came after `before`."""
        return Traffic(self.packets - before.packets, self.bytes - before.bytes)


def sent_by_device(hosts: Hosts, number: int, device: str = "eth0") -> Traffic:
    """What a device has sent, with Ethernet heads."""
    figures = hosts.ask(number, "ip", "-j", "-s", "link", "show", "dev", device)[0]["stats64"]["tx"]
    return Traffic(figures["packets"], figures["bytes"])


def set_queue(hosts: Hosts, number: int, *words: str, device: str = "eth0") -> None:
    """Give a device this root queue discipline, for instance `"netem", "delay", "20ms"`."""
    hosts.run(number, "tc", "qdisc", "replace", "dev", device, "root", *words)


def dropped_by_queue(hosts: Hosts, number: int, device: str = "eth0") -> int:
    """Packets that the device's root queue discipline has thrown away."""
    queues = hosts.ask(number, "tc", "-j", "-s", "qdisc", "show", "dev", device)
    return sum(int(queue["drops"]) for queue in queues if queue.get("root"))


def of_namespace(hosts: Hosts, number: int, name: str) -> int:
    """A counter of the namespace by its SNMP name, for instance TcpRetransSegs, since the namespace was made."""
    # nstat tells differences to its history file; without one they are totals.
    figures = hosts.ask(number, "nstat", "--json", "--ignore", "--noupdate", "--zeros", name)
    return int(figures["kernel"][name])


class Filter:
    """A netfilter table of one host, for IPv4 and IPv6."""

    def __init__(self, hosts: Hosts, number: int) -> None:
        self.hosts, self.number = hosts, number
        self._nft("add table inet rover")

    def chain(self, hook: str, name: str | None = None) -> None:
        """A chain at a hook: `output`, `postrouting`, `prerouting`, `input`."""
        self._nft(f"add chain inet rover {name or hook} {{ type filter hook {hook} priority 0; }}")

    def rules(self, chain: str, rules: list[str]) -> None:
        """Add rules to a chain, in one step."""
        text = "".join(f"add rule inet rover {chain} {rule}\n" for rule in rules)
        self._run(text)

    def pass_all(self, chain: str) -> None:
        """Let packets pass before any rule of the chain sees them; its counters stay."""
        self._nft(f"insert rule inet rover {chain} accept")

    def clear(self, chain: str) -> None:
        """Take all rules out of a chain."""
        self._nft(f"flush chain inet rover {chain}")

    def counted(self, chain: str) -> Traffic:
        """The sum of the counters in a chain; the bytes are those of IP packets."""
        listing = self.hosts.ask(self.number, "nft", "-j", "list", "chain", "inet", "rover", chain)["nftables"]
        parts = [part for entry in listing if "rule" in entry for part in entry["rule"]["expr"] if "counter" in part]
        return Traffic(
            sum(part["counter"]["packets"] for part in parts), sum(part["counter"]["bytes"] for part in parts)
        )

    def _nft(self, line: str) -> None:
        self._run(line + "\n")

    def _run(self, text: str) -> None:
        self.hosts.run(self.number, "nft", "-f", "-", text=text)
