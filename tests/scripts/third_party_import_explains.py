# expect: failed error=ModuleNotFoundError message='list the package under dependencies (PEP 723), or in requirements.txt'
# A package that is not there says how one gets it.
import requests
