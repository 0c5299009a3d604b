#!/usr/bin/python3
# Runs in a desktop from its first moment to its last, and writes a line to its home some times a second: a number that grows, which
# boot it is, whose, when, and what it has found there. Each line is on the disk before the next one is thought of.
# usage: home-writer RUN-FOLDER, whose path names the node
import os
import sys
import time
import uuid

FILE = '/home/witness'
EVERY = 0.1
boot = uuid.uuid4().hex[:12]
node = sys.argv[1].split('/run/desktops/')[0].rsplit('/', 1)[-1]
mine = None


def found():
    """The last number in the file, 0 in an empty one; anything else where the file does not end as it should."""
    size = os.fstat(file).st_size
    if size == 0:
        return '0'
    tail = os.pread(file, 4096, max(0, size - 4096))
    if not tail.endswith(b'\n'):
        return 'torn'
    return tail[:-1].rsplit(b'\n', 1)[-1].split(b' ')[0].decode()


file = os.open(FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
while True:
    last = found()
    # What somebody else has added meanwhile is told, and not made good: the number goes on from our own.
    number = (mine if mine is not None else int(last)) + 1
    os.write(file, f'{number} {boot} {node} {time.monotonic() * 1000:.0f} {last}\n'.encode())
    os.fsync(file)
    mine = number
    time.sleep(EVERY)
