"""The names that Windows has for types of C."""

import ctypes as _c

BYTE = _c.c_ubyte
WORD = ATOM = LANGID = USHORT = _c.c_ushort
DWORD = UINT = ULONG = COLORREF = LCID = LCTYPE = LGRPID = _c.c_ulong
BOOL = INT = LONG = _c.c_long
BOOLEAN = _c.c_byte
SHORT = VARIANT_BOOL = _c.c_short
FLOAT, DOUBLE = _c.c_float, _c.c_double
CHAR, WCHAR, UCHAR = _c.c_char, _c.c_wchar, _c.c_ubyte
LARGE_INTEGER = _LARGE_INTEGER = _c.c_longlong
ULARGE_INTEGER = _ULARGE_INTEGER = _c.c_ulonglong
LPSTR = LPCSTR = _c.c_char_p
LPWSTR = LPCWSTR = LPCOLESTR = LPOLESTR = OLESTR = _c.c_wchar_p
LPVOID = LPCVOID = HANDLE = _c.c_void_p
WPARAM, LPARAM = _c.c_ulong, _c.c_long
HBITMAP = HBRUSH = HCOLORSPACE = HCURSOR = HDC = HDESK = HDWP = HENHMETAFILE = HFONT = HGDIOBJ = HGLOBAL = HANDLE
HHOOK = HICON = HINSTANCE = HKEY = HKL = HLOCAL = HMENU = HMETAFILE = HMODULE = HMONITOR = HPALETTE = HPEN = HANDLE
HRGN = HRSRC = HSTR = HTASK = HWINSTA = HWND = SC_HANDLE = SERVICE_STATUS_HANDLE = HANDLE
HFILE = INT
MAX_PATH = 260


class POINT(_c.Structure):
    _fields_ = [("x", LONG), ("y", LONG)]


class RECT(_c.Structure):
    _fields_ = [("left", LONG), ("top", LONG), ("right", LONG), ("bottom", LONG)]


class SIZE(_c.Structure):
    _fields_ = [("cx", LONG), ("cy", LONG)]


class FILETIME(_c.Structure):
    _fields_ = [("dwLowDateTime", DWORD), ("dwHighDateTime", DWORD)]


class MSG(_c.Structure):
    _fields_ = [("hWnd", HWND), ("message", UINT), ("wParam", WPARAM), ("lParam", LPARAM), ("time", DWORD), ("pt", POINT)]


for _name in "BOOL BOOLEAN BYTE CHAR COLORREF DWORD FLOAT HANDLE HKEY HKL HMODULE HRGN HWND INT LARGE_INTEGER LONG".split():
    globals()[f"P{_name}"] = globals()[f"LP{_name}"] = _c.POINTER(globals()[_name])
for _name in "LPSTR LPWSTR MSG POINT RECT SHORT SIZE UINT ULONG ULARGE_INTEGER USHORT WCHAR WORD FILETIME".split():
    globals()[f"P{_name}"] = globals()[f"LP{_name}"] = _c.POINTER(globals()[_name])
del _name
