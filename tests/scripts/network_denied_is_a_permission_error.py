# expect: succeeded result='["create_connection", "connect", "asyncio"]'
# Whichever way it is asked for, the refusal is a PermissionError that names host and port.
import asyncio
import socket


def run():
    attempts = {
        "create_connection": lambda: socket.create_connection(("example.com", 80)),
        "connect": lambda: socket.socket().connect(("example.com", 80)),
        "asyncio": lambda: asyncio.run(asyncio.open_connection("example.com", 80)),
    }
    refused = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except PermissionError as error:
            assert "example.com" in str(error), error
            refused.append(name)
    return refused
