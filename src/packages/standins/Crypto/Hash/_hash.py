"""Makes a module of a hash, over hashlib."""

import hashlib

from cronbox._pad import OIDS



class Hash:
    """A hash under way."""

    def __init__(self, module, data=b""):
        self._module, self._name = module, module._name
        self.name, self.oid = module.__name__.rpartition(".")[2], module.oid
        self.digest_size, self.block_size = module.digest_size, module.block_size
        self._hash = hashlib.new(self._name)
        if data:
            self.update(data)

    def update(self, data):
        if isinstance(data, str):
            raise TypeError(f"Object type {type(data)} cannot be passed to C code")
        self._hash.update(data)
        return self

    def digest(self):
        return self._hash.digest()

    def hexdigest(self):
        return self._hash.hexdigest()

    def copy(self):
        other = Hash(self._module)
        other._hash = self._hash.copy()
        return other

    def new(self, data=b""):
        return Hash(self._module, data)


class _Module:
    def __init__(self, scope, name):
        self.__name__, self._name, self.oid = scope["__name__"], name, OIDS[name]
        self.digest_size, self.block_size = hashlib.new(name).digest_size, hashlib.new(name).block_size


def fill(scope, name, constructor):
    """Gives a module what pycryptodome's has."""
    module = _Module(scope, name)

    def new(data=b"", **options):
        unknown = set(options) - {"update_after_digest"}
        if unknown:
            raise TypeError(f"Unknown parameters: {', '.join(sorted(unknown))}")
        return Hash(module, data)

    scope.update(
        new=new, digest_size=module.digest_size, block_size=module.block_size, oid=module.oid, _name=name, _module=module
    )
    scope[constructor] = Hash
