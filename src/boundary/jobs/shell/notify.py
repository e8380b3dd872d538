"""Telling systemd how a service is (sd_notify), where it asks for it.

What belongs here: the datagram. What does not: when it is sent.

Source: sd_notify(3), the protocol under "Notes"; it asks for exactly this, without its library.
"""

from __future__ import annotations

import os
import socket
import time


class Notify:
    """Sends states to the socket named in ``NOTIFY_SOCKET``; without one, does nothing.

    The variable is taken out of the environment, so that no child speaks for the service.
    """

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")

    def ready(self, status: str) -> None:
        """The service has started, or started anew."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Its processes are being replaced."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=replacing its processes")

    def stopping(self) -> None:
        """It ends what runs, and leaves."""
        self._send("STOPPING=1", "STATUS=finishing what runs")

    def _send(self, *states: str) -> None:
        if not self._address:
            return
        # An address that begins with @ is one of Linux's abstract names.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.sendto("\n".join(states).encode(), address)
            except OSError:
                return  # nobody listens any more; the service goes on
