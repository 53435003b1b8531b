// What happens in a run, whatever the protocol: a function of the seed and of the faults, and of nothing else.
"use strict";

((simulator) => {
  /** Ticks that a run lasts. Calls begin before `LAST_CALL`. */
  const HORIZON = 150;
  const LAST_CALL = 128;
  const NODES = ["A", "B", "C"];
  const PAGES = ["p1", "p2"];
  /** What everything cached here depends on: a stamp, or a counter. */
  const MARKER = "stamp";

  /** The time-to-live of an entry, and of a copy that a node keeps without being told of changes. */
  const TTL = 70;
  /** How long a caller waits for the answer of a read, of a fill, of an invalidation. */
  const PATIENCE = { read: 8, fill: 8, invalidate: 14, hold: 8 };
  /** Between two attempts at an invalidation that was not acknowledged. */
  const RETRY = 6;
  /** Between the second delete of the delayed double delete and the third. */
  const SETTLING = 16;
  const HEARTBEAT = 5;
  /** After so many heartbeats without an answer the connection that reports changes is given up. */
  const MISSED_HEARTBEATS = 4;
  /** For how long a tracked value is used after the last answered heartbeat was sent. */
  const STALENESS = 20;
  /** How long a writer stays in the hold without renewing it. */
  const HOLD = 30;
  /** How long a node that was killed is away. */
  const RESTART = 14;

  const PROTOCOLS = ["delete", "double", "counter", "stamps"];
  const NEAR = ["off", "checked", "tracked"];
  const FAULTS = ["slow", "down", "evict", "delayed", "lost", "kill"];

  /** A number in [0, 1) that is the same for the same seed and words. */
  function draw(seed, ...words) {
    let hash = Math.imul(seed ^ 0x51ab3c97, 0x2c1b3c6d) ^ (seed >>> 7);
    for (const letter of words.join("/")) {
      hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x297a2d39);
    hash = Math.imul(hash ^ (hash >>> 15), 0x1b56c4e9);
    return ((hash ^ (hash >>> 14)) >>> 0) / 2 ** 32;
  }

  const between = (chance, least, most) => least + Math.floor(chance * (most - least + 1));

  /**
   * What happens in a run whatever the protocol: who calls when, what goes wrong. How long each step takes is drawn by the step's
   * name (`World.delay`), so it is the same for two protocols that take it.
   */
  function plan(seed, faults, calls = { reads: 28, writes: 3 }) {
    const chance = (...words) => draw(seed, ...words);
    const list = [];
    for (let index = 0; index < calls.writes; index++) {
      const share = LAST_CALL / calls.writes;
      list.push({
        kind: "write",
        at: Math.floor(share * index + 10 + chance("write at", index) * (share - 14)),
        node: NODES[between(chance("write node", index), 0, NODES.length - 1)],
      });
    }
    for (let index = 0; index < calls.reads; index++) {
      list.push({
        kind: "read",
        at: between(chance("read at", index), 0, LAST_CALL),
        node: NODES[between(chance("read node", index), 0, NODES.length - 1)],
        page: PAGES[between(chance("read page", index), 0, PAGES.length - 1)],
      });
    }
    list.sort((one, other) => one.at - other.at);
    list.forEach((call, index) => (call.id = index + 1));
    const window = (name, least, most) => {
      const from = between(chance(name, "from"), 8, LAST_CALL - 30);
      return { from, to: from + between(chance(name, "long"), least, most) };
    };
    const someone = (name) => NODES[between(chance(name, "node"), 0, NODES.length - 1)];
    const writes = list.filter((call) => call.kind === "write");
    return {
      seed,
      calls: list,
      slow: faults.includes("slow"),
      down: faults.includes("down")
        ? { ...window("down", 14, 28), emptied: chance("down", "emptied") < 0.3 }
        : null,
      evictions: faults.includes("evict")
        ? [0, 1, 2, 3, 4].map((index) => ({
            at: between(chance("evict at", index), 8, LAST_CALL),
            what: chance("evict what", index),
          }))
        : [],
      delayed: faults.includes("delayed") ? { ...window("delayed", 18, 34), node: someone("delayed") } : null,
      lost: faults.includes("lost") ? { ...window("lost", 14, 34), node: someone("lost") } : null,
      killed: faults.includes("kill") ? writes[between(chance("kill"), 0, writes.length - 1)].id : null,
    };
  }

  Object.assign(simulator, { HORIZON, NODES, PAGES, MARKER, TTL, PATIENCE, RETRY, SETTLING, HEARTBEAT, MISSED_HEARTBEATS, STALENESS, HOLD, RESTART, PROTOCOLS, NEAR, FAULTS, draw, between, plan });
})(globalThis.Simulator ??= {});
