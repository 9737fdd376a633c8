# expect: out_of_fuel fuel=5e9
# The price is taken before the work: a key from a password that would take an hour ends the run at once.
import hashlib


def run():
    hashlib.pbkdf2_hmac("sha512", b"password", b"salt", 10**10)
