from world import *

import selectors, socket
with selectors.DefaultSelector() as selector:
    first, second = (socket.create_connection(("localhost", ports.echo)) for _ in range(2))
    selector.register(first, selectors.EVENT_READ, "first")
    selector.register(second, selectors.EVENT_READ | selectors.EVENT_WRITE, "second")
    assert [(key.data, events) for key, events in selector.select()] == [("second", selectors.EVENT_WRITE)]
    selector.modify(second, selectors.EVENT_READ, "second")
    assert selector.select(0.01) == []
    first.send(b"x")
    assert [key.data for key, _ in selector.select(30)] == ["first"]
    second.send(b"x")
    while len(selector.select(30)) < 2:
        pass
    first.close()
    assert [key.data for key, _ in selector.select(30)] == ["second"]
