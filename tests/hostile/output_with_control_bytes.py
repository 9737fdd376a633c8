# expect: succeeded result='1' stdout='end of output'
# Escape sequences, carriage returns, NUL, bidirectional overrides, markup and invalid UTF-8: stored, and shown escaped.
import os


def run():
    print("\x1b[2J\x1b]0;title\x07\x1b[31mred\r\x00\u202eevil\u2066</script><img src=x onerror=1>", flush=True)
    os.write(1, b"\xff\xfe\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf\n")
    print("end of output")
    return 1
