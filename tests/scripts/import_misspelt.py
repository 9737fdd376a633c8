# expect: failed error=ModuleNotFoundError message='jsson'
# A name that does not exist is named.
import jsson
