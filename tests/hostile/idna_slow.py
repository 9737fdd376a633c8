# expect: out_of_fuel fuel=2e9 timeout=20s
# A host name of a million characters is prepared character by character in Python before its length is looked at.
("x" * 1_000_000 + "\u00e9").encode("idna")
