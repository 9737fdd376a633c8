# expect: failed error=SystemExit message='no price for ACME today'
# And so is a text, which becomes the message.
import sys


def run():
    sys.exit("no price for ACME today")
