# expect: succeeded result='[40, true]' timeout=20s
# Waits just as long as it takes to be put away (50 ms), and a little longer, and changes much memory each time: putting it
# away is work that nobody pays for. After the first times it stays where it is.
import time


def run():
    block = bytearray(3 << 20)
    count = 0
    for wait in [0.049, 0.050, 0.051, 0.052] * 10:
        block[count :: 4096] = bytes([count + 1]) * len(range(count, len(block), 4096))
        time.sleep(wait)
        count += 1
    return [count, all(block[n] == n + 1 for n in range(count))]
