from world import *

import select, selectors, sys, socket
raised(OSError, select.select, [0], [], [], 0)
raised(OSError, selectors.DefaultSelector().register, 0, selectors.EVENT_READ)
closed = socket.socket()
closed.close()
raised(ValueError, select.select, [closed], [], [], 0)
assert select.select([], [], [], 0.01) == ([], [], [])
