"""asyncio: CPython's selector loop over the host's connections.

CPython's loop wakes itself through a pair of sockets, which a sandbox has not and, with one thread and no signals, does
not need: nothing can happen while the loop sleeps but that its time comes, or that a connection is ready.
"""

from .kept import __builtins__

import asyncio
import socket
from asyncio import selector_events, unix_events

from . import network, processes, waiting


class EventLoop(selector_events.BaseSelectorEventLoop):
    """The loop of `asyncio.run`."""

    def __init__(self, selector=None):
        super().__init__(waiting.PollSelector())

    def _make_self_pipe(self):
        pass

    def _close_self_pipe(self):
        pass

    def _write_to_self(self):
        pass

    def run_in_executor(self, executor, func, *args):
        """Runs the call at once. There is no thread that could run it beside."""
        self._check_closed()
        if self._debug:
            self._check_callback(func, "run_in_executor")
        if executor is not None:
            return asyncio.wrap_future(executor.submit(func, *args), loop=self)
        future = self.create_future()
        try:
            result = func(*args)
        except StopIteration as error:
            # A future does not take it; a coroutine that let one out fails the same way.
            future.set_exception(RuntimeError(f"the call raised {error!r}"))
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        return future

    def _sock_connect_cb(self, fut, sock, address):
        """Says why the connection was not made in the host's words; CPython knows but a number."""
        error = sock.connection_failure() if isinstance(sock, socket.SocketType) and not fut.done() else None
        if error is None:
            super()._sock_connect_cb(fut, sock, address)
        else:
            fut.set_exception(error)

    async def create_datagram_endpoint(self, protocol_factory, local_addr=None, remote_addr=None, **kwargs):
        raise network.no_datagrams() if remote_addr else network.no_server()

    async def create_server(self, *args, **kwargs):
        raise network.no_server()

    async def create_unix_connection(self, *args, **kwargs):
        raise network.no_datagrams()

    async def create_unix_server(self, *args, **kwargs):
        raise network.no_server()

    async def subprocess_exec(self, protocol_factory, *args, **kwargs):
        raise processes.refusal()

    async def subprocess_shell(self, protocol_factory, *args, **kwargs):
        raise processes.refusal()

    async def connect_read_pipe(self, *args):
        raise network.no_descriptors()

    async def connect_write_pipe(self, *args):
        raise network.no_descriptors()


def install():
    """Makes it the loop of `asyncio.run`, `asyncio.Runner`, `asyncio.new_event_loop` and those who name it."""
    unix_events._UnixDefaultEventLoopPolicy._loop_factory = EventLoop
    for module in (asyncio, unix_events):
        module.EventLoop = module.SelectorEventLoop = EventLoop
