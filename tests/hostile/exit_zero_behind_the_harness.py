# expect: crashed
# An exit of the guest, even with status 0, is not success.
import os

os._exit(0)
