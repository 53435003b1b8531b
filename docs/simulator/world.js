// A database, a Redis, three nodes and the network between them. A process (a call, a heartbeat) is a generator that yields
// effects; an effect is a function that is given what resumes the process.
"use strict";

((simulator) => {
  const { HORIZON, NODES, PAGES, MARKER, STALENESS, RESTART, draw, between } = simulator;

  /** The server. What it is asked for is executed at one moment, when the command arrives. */
  class Redis {
    constructor(world) {
      this.world = world;
      this.keys = new Map();
      /** The connections that are told of changes of the marker. */
      this.watchers = new Set();
      /** What arrived while it stood still. */
      this.waiting = [];
    }

    get(key) {
      const found = this.keys.get(key);
      if (found && found.until <= this.world.now) {
        this.remove(key, "expired");
        return undefined;
      }
      return found?.value;
    }

    set(key, value, ttl = Infinity) {
      this.keys.set(key, { value, until: this.world.now + ttl });
      this.world.note(key, value, this.world.now + ttl);
      this.changed(key);
    }

    setIfMissing(key, value) {
      if (this.get(key) === undefined) this.set(key, value);
    }

    remove(key, why = "removed") {
      const removed = this.keys.delete(key);
      if (removed) {
        this.world.note(key, undefined);
        if (why !== "left") this.world.holdBroken(key);
      }
      return removed;
    }

    /** Removes the marker so that whoever watches hears of it, whether or not it was there. */
    removeMarker() {
      this.remove(MARKER);
      this.changed(MARKER);
    }

    evict(chance) {
      const keys = [...this.keys.keys()].sort();
      const marker = keys.includes(MARKER) && chance < 0.6;
      const key = marker ? MARKER : keys[Math.floor(chance * 997) % Math.max(keys.length, 1)];
      if (key === undefined) return;
      this.remove(key, "evicted");
      this.changed(key);
      this.world.say("Redis", `evicts ${name(key)}`);
    }

    empty() {
      for (const key of [...this.keys.keys()]) this.remove(key, "lost");
      this.watchers.clear();
    }

    changed(key) {
      if (key !== MARKER) return;
      for (const connection of this.watchers) {
        this.world.transmit(connection, "changed", "report", (node) => node.heard());
      }
    }

    /** Tells the nodes that keep copies; those that nobody keeps are told of to nobody. */
    publish(from) {
      if (this.world.options.near === "off") return;
      for (const node of this.world.nodes.values()) {
        this.world.publish(node, from, () => node.near.clear());
      }
    }
  }

  const name = (key) => (PAGES.includes(key) ? `page ${key.slice(1)}` : key === MARKER ? "the stamp" : "the hold");

  /** A process of the service, with what it keeps in its memory. */
  class Node {
    constructor(world, name) {
      this.world = world;
      this.name = name;
      this.incarnation = 0;
      this.begin();
    }

    begin() {
      this.isUp = true;
      /** Values in the process, by page. */
      this.near = new Map();
      /** Proof that no change of the stamp was reported since it was taken; void after the first report. */
      this.mark = { isValid: true };
      this.session = 0;
      this.watch = null;
      /** Invalidations that are not acknowledged. */
      this.journal = new Set();
      /** Loads under way: by page and stamp, and those without a stamp by page. */
      this.flights = new Map();
    }

    die() {
      this.isUp = false;
      this.incarnation += 1;
      if (this.watch) this.world.redis.watchers.delete(this.watch);
    }

    /** A change of the stamp was reported, or is about to be made here: what was kept under it is void. */
    heard() {
      this.mark.isValid = false;
      this.mark = { isValid: true };
    }

    detachFlights() {
      this.flights.clear();
    }

    keep(page, value, stamp, proof) {
      this.near.set(page, { value, stamp, ...proof });
    }

    proof() {
      return { mark: this.mark, session: this.session };
    }

    /** Whether a kept value may be used without asking: nothing was reported, and somebody would have. */
    vouchesFor(kept) {
      const isOfThisSession = kept.session === this.session || this.world.without("sessions");
      const answered = this.watch?.answered;
      return kept.mark.isValid && isOfThisSession && answered !== undefined && this.world.now - answered <= STALENESS;
    }
  }

  class World {
    /** `attend` begins what a node does beside its calls. */
    constructor(plan, options, attend = () => {}) {
      this.plan = plan;
      this.options = options;
      this.attend = (node) => attend(this, node);
      this.now = 0;
      /** What is to be done at each tick, in the order in which it was asked for. */
      this.agenda = Array.from({ length: HORIZON + 1 }, () => []);
      this.redis = new Redis(this);
      this.nodes = new Map(NODES.map((name) => [name, new Node(this, name)]));
      this.version = 1;
      /** Commits: the version, when, by which node and call. The first one was there before. */
      this.commits = [{ version: 1, at: -1, node: null, call: null, ended: -1 }];
      /** Which version obliges since when, and by which node it was made. */
      this.obligations = [];
      this.brokenHolds = new Set();
      this.calls = [];
      this.messages = [];
      this.events = [];
      this.states = [];
      this.spans = [];
      this.stamps = 0;
    }

    // What comes when.

    at(time, action) {
      this.agenda[time]?.push(action);
    }

    after(ticks, action) {
      this.at(this.now + ticks, action);
    }

    /** Runs everything up to the horizon. What an action asks for at its own tick comes at the end of that. */
    run() {
      for (this.now = 0; this.now <= HORIZON; this.now++) {
        for (const action of this.agenda[this.now]) action();
      }
    }

    /** Whether a part of the protocol is taken out, for the self-test. */
    without(part) {
      return this.options.without === part;
    }

    /** Runs a process on a node; it ends with the node's memory. */
    start(node, process, whenDone = () => {}) {
      const incarnation = node.incarnation;
      const proceed = (input) => {
        if (node.incarnation !== incarnation) return;
        const { value, done } = process.next(input);
        if (done) whenDone(value);
        else value(proceed);
      };
      proceed();
    }

    delay(...words) {
      const chance = draw(this.plan.seed, "delay", ...words);
      return chance < 0.82 ? between(chance / 0.82, 1, 3) : between((chance - 0.82) / 0.18, 4, 9);
    }

    // What is written down.

    say(actor, text, call) {
      this.events.push({ at: this.now, actor, text, call: call?.id });
    }

    /** What stands under a key from now on; `undefined` if nothing does. */
    note(key, value, until) {
      this.states.push({ at: this.now, key, value, until });
    }

    holdBroken(key) {
      if (key.startsWith("writer:")) this.brokenHolds.add(key);
      if (key === "hold") for (const one of this.redis.keys.keys()) if (one.startsWith("writer:")) this.brokenHolds.add(one);
    }

    /** From now on the version obliges: everywhere, or with a near cache that is told of changes after its bound elsewhere. */
    oblige(version, node) {
      this.obligations.push({ version, at: this.now, node: node.name });
    }

    // What goes wrong.

    /** Ends a process of the service, with its memory; another one takes its place. */
    kill(node) {
      this.say(`Node ${node.name}`, "is killed between commit and invalidation");
      for (const call of this.calls) {
        if (call.node === node.name && call.end === undefined) {
          call.end = this.now;
          call.isKilled = true;
        }
      }
      for (const commit of this.commits) if (commit.node === node.name && commit.ended === undefined) commit.ended = this.now;
      node.die();
      this.spans.push({ node: node.name, from: this.now, to: this.now + RESTART, kind: "away" });
      this.after(RESTART, () => {
        node.begin();
        this.say(`Node ${node.name}`, "is back, with nothing in its memory");
        this.attend(node);
      });
    }

    // The network.

    /**
     * Sends a command to Redis and returns its answer, or `undefined` if there is none within the patience. `execute` is what Redis
     * does, as a list of commands of one pipeline: others may come between two of them.
     */
    ask(call, step, patience, execute, style = "ask") {
      return (resume) => {
        const node = this.nodes.get(call.node);
        const key = `${call.id} ${step}`;
        const message = { from: call.node, to: "redis", sent: this.now, label: step, call: call.id, style };
        this.messages.push(message);
        let isOver = false;
        const settle = (answer) => {
          if (isOver) return;
          isOver = true;
          resume(answer);
        };
        const commands = [].concat(execute);
        const arrive = (index) => {
          if (index === 0) message.arrived = this.now;
          const answer = commands[index](this.redis);
          if (index + 1 < commands.length) return this.after(1, () => this.reach(() => arrive(index + 1)));
          const back = { from: "redis", to: call.node, sent: this.now, label: "", call: call.id, style: "answer" };
          this.messages.push(back);
          this.after(this.delay(key, "back"), () => {
            back.arrived = this.now;
            settle({ answer });
          });
        };
        this.after(this.delay(key, "there"), () => this.reach(() => arrive(0)));
        this.after(patience, () => settle(undefined));
      };
    }

    /** A command arrives: it is executed, waits in a server that stands still, or is lost with one that is gone. */
    reach(execute) {
      const down = this.plan.down;
      if (!down || this.now < down.from || this.now >= down.to) return execute();
      if (!down.emptied) this.redis.waiting.push(execute);
    }

    /** Redis sends something over a connection that reports changes: in order, unless the connection is broken. */
    transmit(connection, step, style, deliver) {
      const { node, incarnation } = connection;
      const message = { from: "redis", to: node.name, sent: this.now, label: step, style };
      if (style === "report") this.messages.push(message);
      const { lost, delayed } = this.plan;
      const isIn = (window, time) => window && window.node === node.name && time >= window.from && time < window.to;
      let arrival = this.now + this.delay("report", node.name, this.now, style);
      if (isIn(lost, this.now) || isIn(lost, arrival)) connection.isBroken = true;
      if (connection.isBroken) {
        message.isLost = true;
        return;
      }
      if (isIn(delayed, this.now) || isIn(delayed, arrival)) arrival = Math.max(arrival, delayed.to);
      connection.last = Math.max(connection.last ?? 0, arrival);
      this.at(connection.last, () => {
        if (node.incarnation !== incarnation || connection.isClosed) return;
        message.arrived = this.now;
        deliver(node);
      });
    }

    /** A message of publish and subscribe: what is sent while the connection is cut is lost, and nobody is told. */
    publish(node, from, deliver) {
      const message = { from: "redis", to: node.name, sent: this.now, label: "published", style: "report", call: from };
      this.messages.push(message);
      const { lost, delayed } = this.plan;
      const incarnation = node.incarnation;
      let arrival = this.now + this.delay("report", node.name, this.now, "report");
      const isIn = (window) => window && window.node === node.name && arrival >= window.from && this.now < window.to;
      if (isIn(lost)) {
        message.isLost = true;
        return;
      }
      if (isIn(delayed)) arrival = Math.max(arrival, delayed.to);
      this.at(arrival, () => {
        if (node.incarnation !== incarnation) return;
        message.arrived = this.now;
        deliver();
      });
    }

    // The database.

    /** Loads a page: the rows are those of one moment on the way. */
    load(call) {
      return (resume) => {
        const there = this.delay(call.id, "query");
        const isSlow = this.plan.slow && draw(this.plan.seed, "slow", call.id) < 0.4;
        const back = isSlow
          ? between(draw(this.plan.seed, "how slow", call.id), 16, 38)
          : between(draw(this.plan.seed, "rows", call.id), 2, 7);
        const span = { call: call.id, node: call.node, from: this.now, kind: "load" };
        this.spans.push(span);
        const began = this.now;
        this.after(there, () => {
          const value = { version: this.version, loadedBy: call.id, began, seen: this.now };
          span.version = this.version;
          span.seen = this.now;
          this.after(back, () => {
            span.to = this.now;
            resume(value);
          });
        });
      };
    }

    /** Commits the next version, and returns it. `whenCommitted` looks at the moment itself. */
    commit(call, whenCommitted = () => {}) {
      return (resume) => {
        const span = { call: call.id, node: call.node, from: this.now, kind: "commit" };
        this.spans.push(span);
        this.after(between(draw(this.plan.seed, "commit", call.id), 2, 8), () => {
          this.version += 1;
          const version = this.version;
          span.version = version;
          span.seen = this.now;
          this.commits.push({ version, at: this.now, node: call.node, call: call.id });
          this.say("Database", `commits v${version}`, call);
          whenCommitted(version);
          this.after(this.delay(call.id, "committed"), () => {
            span.to = this.now;
            resume(version);
          });
        });
      };
    }
  }

  const sleep = (world, ticks) => (resume) => world.after(ticks, resume);


  Object.assign(simulator, { World, sleep });
})(globalThis.Simulator ??= {});
