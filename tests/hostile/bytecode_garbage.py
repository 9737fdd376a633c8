# expect: crashed fuel=2e9 memory=64MiB timeout=20s
# Bytecode that no compiler makes is undefined behaviour inside the guest; it stays inside.
def run():
    return 1


run.__code__ = run.__code__.replace(co_code=b"\xff" * 64)
run()
