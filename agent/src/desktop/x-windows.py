# A client of an X server for tests. It does what the lines of its standard input say, a word and a name for each window
# and ";" between, and answers "done" when the server has done it. Its windows go with it.
import ctypes
import ctypes.util
import sys

x = ctypes.CDLL(ctypes.util.find_library("X11") or "libX11.so.6")
x.XOpenDisplay.restype = ctypes.c_void_p
x.XDefaultRootWindow.argtypes = [ctypes.c_void_p]
x.XDefaultRootWindow.restype = ctypes.c_ulong
place_and_colours = [ctypes.c_int] * 2 + [ctypes.c_uint] * 3 + [ctypes.c_ulong] * 2
x.XCreateSimpleWindow.argtypes = [ctypes.c_void_p, ctypes.c_ulong] + place_and_colours
x.XCreateSimpleWindow.restype = ctypes.c_ulong
x.XStoreName.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_char_p]
x.XWithdrawWindow.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int]
x.XChangeWindowAttributes.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_void_p]
x.XSync.argtypes = [ctypes.c_void_p, ctypes.c_int]
for name in ("XMapWindow", "XDestroyWindow"):
    getattr(x, name).argtypes = [ctypes.c_void_p, ctypes.c_ulong]


class Attributes(ctypes.Structure):
    """XSetWindowAttributes, as far as the one that is used."""
    _fields_ = [("before", ctypes.c_byte * 88), ("override_redirect", ctypes.c_int), ("after", ctypes.c_byte * 32)]


OVERRIDE_REDIRECT = 1 << 9
display = x.XOpenDisplay(None)
if not display:
    sys.exit("no display")
windows = {}


def create(name, passing):
    window = x.XCreateSimpleWindow(display, x.XDefaultRootWindow(display), 10, 10, 100, 80, 0, 0, 0)
    x.XStoreName(display, window, name.encode())
    if passing:
        attributes = Attributes(override_redirect=1)
        x.XChangeWindowAttributes(display, window, OVERRIDE_REDIRECT, ctypes.byref(attributes))
    x.XMapWindow(display, window)
    windows[name] = window


def do(word, name):
    if word == "open":
        create(name, False)
    elif word == "pop-up":
        create(name, True)
    elif word == "close":
        x.XDestroyWindow(display, windows.pop(name))
    elif word == "withdraw":
        x.XWithdrawWindow(display, windows[name], 0)


for line in iter(sys.stdin.readline, ""):
    for action in line.split(";"):
        do(*action.split())
    x.XSync(display, 0)
    print("done", flush=True)
