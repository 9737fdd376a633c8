# expect: failed error=SystemExit message='2' stderr='the following arguments are required: symbol'
# A wrong command line ends with status 2 and the usage on stderr.
import argparse

parser = argparse.ArgumentParser(prog="report")
parser.add_argument("symbol")
parser.parse_args()
