# expect: failed error=SystemExit message='a sentence for the caller'
# sys.exit with a text is a failure that carries the text.
import sys

sys.exit("a sentence for the caller")
