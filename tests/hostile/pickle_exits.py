# expect: crashed memory=64MiB
# A pickle that ends the interpreter is no success.
import pickle

pickle.loads(b"cos\n_exit\n(I0\ntR.")
