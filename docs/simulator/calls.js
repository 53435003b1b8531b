// What the protocols have in common.
"use strict";

((simulator) => {
  const { TTL } = simulator;

  function hit(world, node, call, value) {
    call.source = "hit";
    world.say(`Node ${node.name}`, `finds page ${call.page[1]} in Redis: v${value.version}`, call);
    return value;
  }

  function* loadAlone(world, call) {
    const value = yield world.load(call);
    call.source = "load";
    world.say(`Node ${call.node}`, `has loaded page ${call.page[1]}: v${value.version}`, call);
    return value;
  }

  function fill(world, redis, call, entry) {
    entry.value = { ...entry.value, stored: world.now };
    redis.set(call.page, entry, TTL);
    world.say("Redis", `stores page ${call.page[1]}: v${entry.value.version}`, call);
    return true;
  }

  /** Whether the process is killed here, between commit and invalidation. */
  function* killed(world, node, call) {
    if (world.plan.killed !== call.id) return false;
    yield (resume) => {
      world.kill(node);
      resume();
    };
    return true;
  }

  Object.assign(simulator, { hit, loadAlone, fill, killed });
})(globalThis.Simulator ??= {});
