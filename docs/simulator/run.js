// One protocol under one plan, and what became of each of its reads.
"use strict";

((simulator) => {
  const { STALENESS, World, Delete, DoubleDelete, Counter, Stamps } = simulator;

  const OF = { delete: Delete, double: DoubleDelete, counter: Counter, stamps: Stamps };

  /** Judges a read: what was it given, and what did it have to be given? */
  function judge(world, read) {
    const { version } = read.value;
    const isBefore = (time) => time < read.at;
    const newest = Math.max(...world.commits.filter((commit) => isBefore(commit.at)).map((commit) => commit.version));
    if (version >= newest) return "fresh";
    const obliging = world.obligations.filter((one) => one.version > version && isBefore(one.at));
    const bound = (one) => (world.options.near === "tracked" && one.node !== read.node ? STALENESS : 0);
    if (obliging.some((one) => read.at - one.at > bound(one))) return "stale";
    if (obliging.length > 0) return "bounded";
    const ended = world.commits.filter((commit) => commit.version > version && commit.ended !== undefined);
    return ended.some((commit) => isBefore(commit.ended)) ? "unacknowledged" : "overlapping";
  }

  /**
   * Runs one protocol under one plan.
   *
   * Options: `protocol` (one of `PROTOCOLS`), `near` (one of `NEAR`), `crashSafe`. For the self-test, `without`: a part of the
   * stamps' protocol that is taken out.
   */
  function run(plan, options) {
    const protocol = OF[options.protocol];
    const world = new World(plan, { near: "off", crashSafe: false, ...options }, protocol.attend);
    schedule(world, plan, protocol);
    world.run();
    for (const call of world.calls) if (call.kind === "read" && call.value) call.verdict = judge(world, call);
    return report(world);
  }

  function schedule(world, plan, protocol) {
    for (const node of world.nodes.values()) world.attend(node);
    for (const call of plan.calls) world.at(call.at, () => begin(world, protocol, { ...call }));
    for (const eviction of plan.evictions) world.at(eviction.at, () => world.redis.evict(eviction.what));
    if (plan.down) {
      world.at(plan.down.from, () => world.say("Redis", plan.down.emptied ? "is killed" : "stands still"));
      world.at(plan.down.to, () => recover(world, plan.down));
    }
  }

  function recover(world, down) {
    if (down.emptied) {
      world.redis.empty();
      world.say("Redis", "is back, and empty");
      return;
    }
    world.say("Redis", "goes on, with what has been sent meanwhile");
    for (const execute of world.redis.waiting.splice(0)) execute();
  }

  function begin(world, protocol, call) {
    const node = world.nodes.get(call.node);
    if (!node.isUp) return;
    world.calls.push(call);
    const what = call.kind === "read" ? `is asked for page ${call.page[1]}` : "is asked to change the data";
    world.say(`Node ${node.name}`, what, call);
    world.start(node, protocol[call.kind](world, node, call), (result) => end(world, node, call, result));
  }

  function end(world, node, call, result) {
    call.end ??= world.now;
    if (call.kind === "read") {
      call.value = result;
      world.say(`Node ${node.name}`, `returns v${result.version}`, call);
      return;
    }
    if (!result) return;
    call.version = result.version;
    call.isAcknowledged = result.isAcknowledged;
    world.commits.find((commit) => commit.version === result.version).ended = world.now;
    world.say(`Node ${node.name}`, `returns from writing v${result.version}${result.isAcknowledged ? "" : ", not acknowledged"}`, call);
    if (result.isAcknowledged) world.oblige(result.version, node);
  }

  function report(world) {
    const reads = world.calls.filter((call) => call.verdict);
    const count = (verdict) => reads.filter((call) => call.verdict === verdict).length;
    const verdicts = ["fresh", "overlapping", "bounded", "unacknowledged", "stale"];
    return {
      options: world.options,
      plan: world.plan,
      calls: world.calls,
      spans: world.spans,
      messages: world.messages,
      states: world.states,
      commits: world.commits,
      events: world.events,
      obligations: world.obligations,
      reads: reads.length,
      loads: world.spans.filter((span) => span.kind === "load").length,
      counts: Object.fromEntries(verdicts.map((verdict) => [verdict, count(verdict)])),
    };
  }

  Object.assign(simulator, { run });
})(globalThis.Simulator ??= {});
