# expect: succeeded stdout='tail' stderr='unended'
# What stands in the buffers at the end is written.
import sys

sys.stdout.write("tail")
sys.stderr.write("unended")
