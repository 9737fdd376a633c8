# expect: failed error=ModuleNotFoundError message='not in the standard library: list it under dependencies, which this version does not do yet'
# A package that is not there says how one gets it.
import requests
