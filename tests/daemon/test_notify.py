"""sd_notify(3), with a socket such as systemd's."""

from __future__ import annotations

import socket

from rover.daemon import notify


def test_the_state_is_sent_to_the_socket(tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.settimeout(5)
        notify(path, "READY=1")
        assert systemd.recv(100) == b"READY=1"


def test_an_address_with_an_at_sign_is_abstract():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0rover-test-notify")
        systemd.settimeout(5)
        notify("@rover-test-notify", "STOPPING=1")
        assert systemd.recv(100) == b"STOPPING=1"


def test_without_systemd_nothing_happens():
    notify(None, "READY=1")


def test_a_socket_that_is_gone_is_a_warning(tmp_path, caplog):
    notify(str(tmp_path / "none"), "READY=1")
    assert "systemd could not be told state=READY=1" in caplog.text
