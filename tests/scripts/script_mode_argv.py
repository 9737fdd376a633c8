# expect: succeeded stdout="['--size', '3', 'a b']" argv='--size 3 "a b"'
# sys.argv carries what was given after the script's own name.
import sys

assert sys.argv[0].endswith("script_mode_argv.py"), sys.argv
print(sys.argv[1:])
