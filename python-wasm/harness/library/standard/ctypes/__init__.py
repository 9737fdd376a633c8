"""ctypes for a sandbox, which has no C to call.

Packages define types and look for libraries when they are imported, and never use either. So definitions work; what
would make an object or load a library raises one sentence.
"""

_SENTENCE = "native code cannot be called from a sandbox: use the standard library or a pure-Python package"

DEFAULT_MODE = RTLD_LOCAL = 0
RTLD_GLOBAL = 256
FUNCFLAG_CDECL = 1


class ArgumentError(Exception):
    """Never raised here; packages name it in `except`."""


def _refuse(*args, **kwargs):
    raise OSError(_SENTENCE)


class _Kind(type):
    """The type of C types: `c_int * 4` is one, too."""

    def __mul__(cls, length):
        return _Kind(f"{cls.__name__}_Array_{length}", (Array,), {"_type_": cls, "_length_": length})

    __rmul__ = __mul__

    def from_param(cls, value):
        _refuse()

    from_address = from_buffer = from_buffer_copy = in_dll = from_param


class _CData(metaclass=_Kind):
    def __init__(self, *args, **kwargs):
        _refuse()


class _SimpleCData(_CData):
    pass


class Structure(_CData):
    pass


class Union(_CData):
    pass


class BigEndianStructure(Structure):
    pass


class LittleEndianStructure(Structure):
    pass


class BigEndianUnion(Union):
    pass


class LittleEndianUnion(Union):
    pass


class Array(_CData):
    pass


class _Pointer(_CData):
    pass


class _CFuncPtr(_CData):
    pass


for _name in (
    "c_bool c_buffer c_byte c_char c_char_p c_double c_float c_int c_int16 c_int32 c_int64 c_int8 c_long c_longdouble "
    "c_longlong c_short c_size_t c_ssize_t c_time_t c_ubyte c_uint c_uint16 c_uint32 c_uint64 c_uint8 c_ulong "
    "c_ulonglong c_ushort c_void_p c_voidp c_wchar c_wchar_p py_object HRESULT"
).split():
    globals()[_name] = _Kind(_name, (_SimpleCData,), {"__module__": "ctypes"})
del _name


def POINTER(cls):
    """The type of pointers to a type."""
    name = "void" if cls is None else cls if isinstance(cls, str) else cls.__name__
    return _Kind(f"LP_{name}", (_Pointer,), {"_type_": cls})


def CFUNCTYPE(restype, *argtypes, **kw):
    """The type of functions of C."""
    return _Kind("CFunctionType", (_CFuncPtr,), {"_restype_": restype, "_argtypes_": argtypes})


PYFUNCTYPE = CFUNCTYPE


class CDLL:
    """A library; there is none that could be loaded."""

    def __init__(self, name=None, *args, **kwargs):
        raise OSError(f"{'this program' if name is None else name!r} cannot be loaded as a library: {_SENTENCE}")


class PyDLL(CDLL):
    pass


class LibraryLoader:
    """Loads libraries by attribute: `cdll.name`."""

    def __init__(self, dlltype):
        self._dlltype = dlltype

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return self._dlltype(name)

    def __getitem__(self, name):
        return getattr(self, name)

    def LoadLibrary(self, name):
        return self._dlltype(name)


class _PythonAPI:
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        _refuse()


cdll = LibraryLoader(CDLL)
pydll = LibraryLoader(PyDLL)
pythonapi = _PythonAPI()

addressof = alignment = byref = cast = create_string_buffer = create_unicode_buffer = memmove = memset = _refuse
memoryview_at = pointer = resize = sizeof = string_at = wstring_at = _refuse
SetPointerType = ARRAY = _refuse


def get_errno():
    """No C function has been called."""
    return 0


def set_errno(value):
    """No C function will read it."""
    return 0
