# expect: out_of_memory memory=96MiB fuel=40e9 timeout=20s
# Fills all the memory there is with a pattern. The host's test lets many others look for it afterwards (PR 14357,
# CVE-2026-34988: pages of a pool that were not cleaned).
pattern = "".join(map(chr, (80, 65, 84, 84, 69, 82, 78, 35))).encode() * 8192
keep = []
while True:
    keep.append(bytearray(pattern))
