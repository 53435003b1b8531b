// Protocols that are known to be wrong.
"use strict";

((simulator) => {
  const { PAGES, MARKER, TTL, PATIENCE, SETTLING, sleep, hit, loadAlone, fill, killed } = simulator;

  /** A node's own copies, removed by a published message; the time-to-live bounds the rest. */
  function* throughCopies(world, node, call, read) {
    if (world.options.near === "off") return yield* read();
    const kept = node.near.get(call.page);
    if (kept && kept.until > world.now) {
      world.say(`Node ${node.name}`, `answers page ${call.page[1]} from its memory: v${kept.value.version}`, call);
      call.source = "near";
      return kept.value;
    }
    const value = yield* read();
    node.near.set(call.page, { value, until: world.now + TTL });
    return value;
  }

  const Delete = {
    *read(world, node, call) {
      return yield* throughCopies(world, node, call, function* () {
        const found = yield world.ask(call, "GET", PATIENCE.read, (redis) => redis.get(call.page));
        if (found?.answer) return hit(world, node, call, found.answer.value);
        return yield* loadAndSet(world, node, call, {});
      });
    },
    *write(world, node, call) {
      const version = yield world.commit(call);
      if (yield* killed(world, node, call)) return undefined;
      return { version, isAcknowledged: yield* deletePages(world, node, call, "DEL") };
    },
  };

  const DoubleDelete = {
    read: Delete.read,
    *write(world, node, call) {
      yield* deletePages(world, node, call, "DEL before");
      const version = yield world.commit(call);
      if (yield* killed(world, node, call)) return undefined;
      const isAcknowledged = yield* deletePages(world, node, call, "DEL");
      world.start(
        node,
        (function* () {
          yield sleep(world, SETTLING);
          yield* deletePages(world, node, call, "DEL again");
        })(),
      );
      return { version, isAcknowledged };
    },
  };

  const Counter = {
    *read(world, node, call) {
      return yield* throughCopies(world, node, call, function* () {
        const read = (redis) => ({ marker: redis.get(MARKER), entry: redis.get(call.page) });
        const found = yield world.ask(call, "MGET", PATIENCE.read, read);
        if (!found) return yield* loadAlone(world, call);
        let { marker, entry } = found.answer;
        if (marker !== undefined && entry?.marker === marker) return hit(world, node, call, entry.value);
        if (marker === undefined) {
          const created = yield world.ask(call, "SET NX", PATIENCE.read, [
            (redis) => redis.setIfMissing(MARKER, 1),
            (redis) => redis.get(MARKER),
          ]);
          marker = created?.answer;
          if (marker === undefined) return yield* loadAlone(world, call);
        }
        return yield* loadAndSet(world, node, call, { marker });
      });
    },
    *write(world, node, call) {
      const version = yield world.commit(call);
      if (yield* killed(world, node, call)) return undefined;
      node.near.clear();
      const answer = yield world.ask(
        call,
        "INCR",
        PATIENCE.invalidate,
        (redis) => {
          redis.set(MARKER, (redis.get(MARKER) ?? 0) + 1);
          redis.publish(call.id);
          world.say("Redis", `counts up to ${redis.get(MARKER)}`, call);
          return true;
        },
        "invalidate",
      );
      return { version, isAcknowledged: answer !== undefined };
    },
  };

  function* deletePages(world, node, call, step) {
    node.near.clear();
    const answer = yield world.ask(
      call,
      step,
      PATIENCE.invalidate,
      (redis) => {
        for (const page of PAGES) redis.remove(page);
        redis.publish(call.id);
        world.say("Redis", "deletes both pages", call);
        return true;
      },
      "invalidate",
    );
    if (!answer) world.say(`Node ${node.name}`, "has no answer to its DEL, and lets it be", call);
    return answer !== undefined;
  }

  function* loadAndSet(world, node, call, stored) {
    const value = yield* loadAlone(world, call);
    yield world.ask(call, "SET", PATIENCE.fill, (redis) => fill(world, redis, call, { ...stored, value }), "fill");
    return value;
  }

  Object.assign(simulator, { Delete, DoubleDelete, Counter });
})(globalThis.Simulator ??= {});
