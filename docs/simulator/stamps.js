// The protocol of docs/protocol.md. What is left out of it is listed in docs/simulator.md.
"use strict";

((simulator) => {
  const { MARKER, PATIENCE, RETRY, HEARTBEAT, MISSED_HEARTBEATS, HOLD, sleep, hit, loadAlone, fill, killed } = simulator;

  const Stamps = {
    /** What a node does beside its calls. */
    attend(world, node) {
      if (world.options.near === "tracked") world.start(node, watch(world, node));
    },

    *read(world, node, call) {
      const { near } = world.options;
      // While an invalidation waits here, this process reads nothing that it concerns.
      if (node.journal.size > 0) return yield* loadUnstored(world, node, call);
      // Marks are taken before the read.
      const proof = node.proof();
      const kept = near === "off" ? undefined : node.near.get(call.page);
      if (kept && near === "tracked" && node.vouchesFor(kept)) {
        call.source = "near";
        world.say(`Node ${node.name}`, `answers page ${call.page[1]} from its memory: v${kept.value.version}`, call);
        return kept.value;
      }
      if (kept) {
        const found = yield world.ask(call, "GET stamp", PATIENCE.read, (redis) => redis.get(MARKER));
        if (!found) return yield* loadUnstored(world, node, call);
        if (found.answer !== undefined && found.answer === kept.stamp) {
          call.source = "near";
          world.say(`Node ${node.name}`, `has checked its copy of page ${call.page[1]}: v${kept.value.version}`, call);
          node.keep(call.page, kept.value, kept.stamp, proof);
          return kept.value;
        }
      }
      const ticket = yield* readEntry(world, node, call, proof);
      if (ticket.value) return ticket.value;
      if (ticket.stamp === undefined) return yield* loadUnstored(world, node, call);
      return yield* share(world, node, call, `${call.page} ${world.without("flights") ? "" : ticket.stamp}`, function* () {
        const value = yield* loadAlone(world, call);
        const stamp = world.without("order") ? yield* stampAfterTheLoad(world, call) : ticket.stamp;
        const store = (redis) => fill(world, redis, call, { value, marker: stamp });
        yield world.ask(call, "SET entry", PATIENCE.fill, store, "fill");
        if (near !== "off") node.keep(call.page, value, stamp, world.without("marks") ? node.proof() : proof);
        return value;
      });
    },

    *write(world, node, call) {
      const writer = `writer:${call.id}.${node.incarnation}`;
      const isHeld = world.options.crashSafe && (yield* enterHold(world, node, call, writer));
      let isUnderHold = false;
      const version = yield world.commit(call, (committed) => {
        isUnderHold = isHeld && world.redis.get(writer) !== undefined && !world.brokenHolds.has(writer);
        if (isUnderHold) world.oblige(committed, node);
      });
      if (yield* killed(world, node, call)) return undefined;
      const line = { version };
      node.journal.add(line);
      node.heard();
      node.detachFlights();
      const state = { isAcknowledged: false };
      world.start(node, deliver(world, node, call, line, state));
      yield (resume) => {
        state.resume = resume;
        world.after(PATIENCE.invalidate, () => state.settle());
      };
      call.isHolding = false;
      if (isHeld) world.start(node, leaveHold(world, node, call, writer, state));
      return { version, isAcknowledged: state.isAcknowledged, isUnderHold };
    },
  };

  /** `MGET stamp entry`. A value, or the stamp under which a load may be stored, or neither. */
  function* readEntry(world, node, call, proof) {
    const read = (redis) => ({ stamp: redis.get(MARKER), entry: redis.get(call.page) });
    const found = yield world.ask(call, "MGET", PATIENCE.read, read);
    if (!found) return {};
    let { stamp, entry } = found.answer;
    const isGood = entry && (stamp === entry.marker || (stamp === undefined && world.without("missing")));
    if (isGood && (stamp !== undefined || world.without("missing"))) {
      if (world.options.near !== "off") {
        node.keep(call.page, entry.value, entry.marker, world.without("marks") ? node.proof() : proof);
      }
      return { value: hit(world, node, call, entry.value) };
    }
    if (stamp === undefined) {
      const fresh = `${++world.stamps}`;
      const created = yield world.ask(
        call,
        "SET NX stamp",
        PATIENCE.read,
        [(redis) => redis.setIfMissing(MARKER, fresh), (redis) => redis.get(MARKER)],
        "stamp",
      );
      stamp = created?.answer;
      if (stamp === undefined) return {};
    }
    if (world.options.crashSafe && !world.without("look") && (yield* isHeldByAnyone(world, call))) return {};
    return { stamp };
  }

  /** The mistake that invariant 1 is about; for the self-test. */
  function* stampAfterTheLoad(world, call) {
    const fresh = `${++world.stamps}`;
    const late = yield world.ask(call, "late stamp", PATIENCE.read, [
      (redis) => redis.setIfMissing(MARKER, fresh),
      (redis) => redis.get(MARKER),
    ]);
    return late?.answer;
  }

  /** Shares the load of a flight, or is one. */
  function* share(world, node, call, key, lead) {
    const flight = node.flights.get(key);
    if (flight) {
      call.source = "shared";
      const value = yield (resume) => flight.waiters.push(resume);
      world.say(`Node ${node.name}`, `shares a load of page ${call.page[1]}: v${value.version}`, call);
      return value;
    }
    const own = { began: call.at, waiters: [] };
    node.flights.set(key, own);
    const value = yield* lead();
    land(node, key, own, value);
    return value;
  }

  function land(node, key, flight, value) {
    if (node.flights.get(key) === flight) node.flights.delete(key);
    flight.isOver = true;
    for (const resume of flight.waiters) resume(value);
  }

  /** A load without a ticket. Without stamps it is time that tells flights apart: only one that began after the call is shared. */
  function* loadUnstored(world, node, call) {
    const key = `${call.page} unstamped`;
    for (;;) {
      const flight = node.flights.get(key);
      if (!flight || flight.isOver) break;
      const value = yield (resume) => flight.waiters.push(resume);
      if (flight.began >= call.at && flight.beganAfter?.has(call.id)) {
        call.source = "shared";
        return value;
      }
    }
    const waiting = world.calls.filter((other) => other.node === node.name && other.end === undefined);
    const own = { began: world.now, beganAfter: new Set(waiting.map((other) => other.id)), waiters: [] };
    node.flights.set(key, own);
    const value = yield* loadAlone(world, call);
    land(node, key, own, value);
    return value;
  }

  /** Sends an invalidation until it is acknowledged. */
  function* deliver(world, node, call, line, state) {
    state.settle = () => {
      const resume = state.resume;
      state.resume = undefined;
      resume?.();
    };
    for (let attempt = 0; node.journal.has(line); attempt++) {
      const step = attempt === 0 ? "UNLINK stamp" : `UNLINK stamp, again ${attempt}`;
      const answer = yield world.ask(call, step, PATIENCE.invalidate, (redis) => invalidate(world, redis, call), "invalidate");
      if (answer) {
        node.journal.delete(line);
        state.isAcknowledged = true;
        if (call.end !== undefined) world.oblige(line.version, node);
        state.settle();
        return;
      }
      world.say(`Node ${node.name}`, `has no answer: the invalidation of v${line.version} stays in its journal`, call);
      yield sleep(world, RETRY);
    }
  }

  function invalidate(world, redis, call) {
    redis.removeMarker();
    world.say("Redis", "removes the stamp: whatever carries it is dead", call);
    return true;
  }

  // `crash_safe`.

  /** Enters the hold, then removes the stamp; whether both were acknowledged. */
  function* enterHold(world, node, call, writer) {
    const enter = (redis) => {
      redis.set(writer, call.id, HOLD);
      redis.set("hold", new Set([...(redis.get("hold") ?? []), writer]));
      return true;
    };
    call.isHolding = true;
    const entered = yield world.ask(call, "SADD hold", PATIENCE.hold, enter, "hold");
    if (!entered) return false;
    world.say(`Node ${node.name}`, "is in the hold: nothing is stored meanwhile", call);
    world.start(node, renewHold(world, call, writer));
    node.heard();
    node.detachFlights();
    const before = (redis) => invalidate(world, redis, call);
    return (yield world.ask(call, "UNLINK stamp first", PATIENCE.invalidate, before, "invalidate")) !== undefined;
  }

  function* renewHold(world, call, writer) {
    for (let turn = 1; ; turn++) {
      yield sleep(world, HOLD / 3);
      if (!call.isHolding) return;
      yield world.ask(
        call,
        `renew ${turn}`,
        PATIENCE.hold,
        (redis) => {
          redis.set(writer, call.id, HOLD);
          redis.set("hold", new Set([...(redis.get("hold") ?? []), writer]));
          return true;
        },
        "hold",
      );
    }
  }

  /** Leaves the hold once the invalidation was acknowledged. */
  function* leaveHold(world, node, call, writer, state) {
    while (!state.isAcknowledged) yield sleep(world, 1);
    const leave = (redis) => {
      const others = [...(redis.get("hold") ?? [])].filter((one) => one !== writer);
      if (others.length > 0) redis.set("hold", new Set(others));
      else redis.remove("hold", "left");
      redis.remove(writer, "left");
      return true;
    };
    yield world.ask(call, "SREM hold", PATIENCE.hold, leave, "hold");
  }

  /** Looks at the hold, after the stamps. Without an answer there is no ticket, either. */
  function* isHeldByAnyone(world, call) {
    const members = yield world.ask(call, "SMEMBERS hold", PATIENCE.read, (redis) => [...(redis.get("hold") ?? [])]);
    if (!members) return true;
    if (members.answer.length === 0) return false;
    const living = (redis) => members.answer.some((writer) => redis.get(writer) !== undefined);
    const found = yield world.ask(call, "MGET writers", PATIENCE.read, living);
    return found?.answer !== false;
  }

  // The watch over the stamp: track, begin a session, use what is kept once a heartbeat was answered.

  function* watch(world, node) {
    for (let turn = 0; ; turn++) {
      const connection = { node, incarnation: node.incarnation };
      node.watch = connection;
      const caller = { id: `watch ${node.name}.${node.incarnation}.${turn}`, node: node.name };
      const tracks = yield* overConnection(world, connection, caller, "track", (redis) => redis.watchers.add(connection));
      if (tracks) {
        node.session += 1;
        yield* heartbeats(world, connection, caller);
      }
      connection.isClosed = true;
      world.redis.watchers.delete(connection);
      node.watch = null;
      yield sleep(world, 1);
    }
  }

  function* heartbeats(world, connection, caller) {
    for (let beat = 0; ; beat++) {
      const sent = world.now;
      const isAnswered = yield* overConnection(world, connection, caller, `beat ${beat}`, () => {});
      if (!isAnswered) return;
      connection.answered = sent;
      yield sleep(world, Math.max(1, HEARTBEAT - (world.now - sent)));
    }
  }

  /** Asks over the connection that carries the reports, so an answer comes after every report that was sent before it. */
  function* overConnection(world, connection, caller, step, execute) {
    return yield (resume) => {
      let isOver = false;
      const settle = (isAnswered) => {
        if (isOver) return;
        isOver = true;
        resume(isAnswered);
      };
      const { lost } = world.plan;
      const isCut = () => lost && lost.node === connection.node.name && world.now >= lost.from && world.now < lost.to;
      world.after(world.delay(caller.id, step), () => {
        if (isCut()) connection.isBroken = true;
        if (connection.isBroken) return;
        world.reach(() => {
          if (connection.isClosed) return;
          execute(world.redis);
          world.transmit(connection, step, "heartbeat", () => settle(true));
        });
      });
      world.after(HEARTBEAT * MISSED_HEARTBEATS, () => settle(false));
    };
  }

  Object.assign(simulator, { Stamps });
})(globalThis.Simulator ??= {});
