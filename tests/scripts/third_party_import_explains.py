# expect: failed error=ModuleNotFoundError message='nor in the script's bundle and packages: list the package under dependencies (PEP 723)'
# A package that is not there says how one gets it.
import requests
