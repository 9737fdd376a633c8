# expect: failed|crashed fuel=8e9 memory=128MiB timeout=20s
# A group nested 10,000 deep: printing its traceback must not take the harness down. Where it does exhaust the wasm
# stack that is this run's crash.
group = ValueError("innermost")
for depth in range(10_000):
    group = ExceptionGroup(str(depth), [group])
raise group
