# expect: failed error=OSError message='no room left under /tmp'
# A file that grows beyond what /tmp may hold: the message says what is limited.


def run():
    with open("/tmp/big", "wb") as file:
        while True:
            file.write(bytes(1 << 20))
