"""A WSGI application on a port of its own thread, which stops without dropping what it works on."""

import socket
import threading
import time
from typing import Any

from waitress.server import create_server
from waitress.wasyncore import dispatcher

IDENT = "sluice-stand-in-for-tensorflow_model_server"
_THREADS, _CONNECTIONS = 8, 1000
_IDLE_S = 60  # a connection that sends nothing is closed then
_TICK_S = 0.02


class HttpServer:
    """waitress: reads requests as slowly as they come, and gives a thread only to what has come as a whole.

    Args:
      application: WSGI.
      host: to bind to.
      port: to bind to; 0 is any that is free.
      most_bytes: of a body; a longer one is answered with 413.

    Attributes:
      port: that it is bound to.

    Raises:
      OSError: the port cannot be had.
    """

    def __init__(self, application: Any, host: str, port: int, most_bytes: int) -> None:
        self._channels: dict[int, Any] = {}
        self._server = create_server(
            application,
            map=self._channels,
            sockets=[_bound(host, port)],
            threads=_THREADS,
            connection_limit=_CONNECTIONS,
            channel_timeout=_IDLE_S,
            max_request_body_size=most_bytes,
            asyncore_use_poll=True,
            asyncore_loop_timeout=1,
            ident=IDENT,
            clear_untrusted_proxy_headers=True,
        )
        self.port = int(self._server.effective_port)
        self._thread = threading.Thread(target=self._server.run, name="http", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self, grace_s: float) -> None:
        """Takes no new connection, answers what has come as a whole, and closes.

        Args:
          grace_s: seconds after which it closes in any case.
        """
        end = time.monotonic() + grace_s
        self._in_loop(lambda: dispatcher.close(self._server))
        while self._busy() and time.monotonic() < end:
            time.sleep(_TICK_S)
        self._server.task_dispatcher.shutdown(timeout=max(0.1, end - time.monotonic()))
        self._in_loop(self._close_all)
        self._thread.join(timeout=5)

    def _busy(self) -> bool:
        work = self._server.task_dispatcher
        unsent = (getattr(one, "total_outbufs_len", 0) for one in list(self._channels.values()))
        return bool(work.queue or work.active_count or any(unsent))

    def _in_loop(self, act: Any) -> None:
        """Acts in the thread that owns the sockets."""
        self._server.trigger.pull_trigger(act)

    def _close_all(self) -> None:
        for one in list(self._channels.values()):
            one.close()
        self._channels.clear()


def _bound(host: str, port: int) -> socket.socket:
    line = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.bind((host, port))
    except OSError:
        line.close()
        raise
    return line
