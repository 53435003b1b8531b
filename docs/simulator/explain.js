// Sentences about a run: what a verdict means, and how a read came to its value.
"use strict";

((simulator) => {
  const PROTOCOLS = {
    delete: "Delete on write",
    double: "Delayed double delete",
    counter: "Counters",
    stamps: "Stamps",
  };

  const VERDICTS = {
    stale: { name: "stale", meaning: "older than an invalidation that was acknowledged before the read began: the promise is broken" },
    unacknowledged: {
      name: "unacknowledged",
      meaning: "older than a commit whose mutation had ended without an acknowledgement: killed, or Redis did not answer",
    },
    bounded: { name: "within the bound", meaning: "from a tracked copy, no longer after the invalidation than the staleness bound" },
    overlapping: { name: "overlapping", meaning: "older than a commit whose mutation had not returned yet" },
    fresh: { name: "fresh", meaning: "the newest version that was committed when the read began" },
  };

  /** How a read came to a value that was not the newest one. */
  function because(run, read) {
    const { version, loadedBy, began, seen, stored } = read.value;
    const call = (id) => run.calls.find((one) => one.id === id);
    const newer = run.commits.find((commit) => commit.version === version + 1);
    const writer = newer && call(newer.call);
    const sentences = [`Read ${read.id} on node ${read.node} began at tick ${read.at} and was given v${version}.`];
    if (newer) {
      sentences.push(`v${newer.version} had been committed at tick ${newer.at} by write ${newer.call} on node ${newer.node}${outcome(run, writer, newer)}.`);
    }
    if (loadedBy === undefined) return sentences.join(" ");
    const loader = loadedBy === read.id ? "It" : `Call ${loadedBy} on node ${call(loadedBy).node}`;
    const order = newer && seen < newer.at ? ", before the commit" : "";
    sentences.push(`${loader} had asked the database at tick ${began} and was given the rows of tick ${seen}${order}.`);
    if (stored !== undefined && loadedBy !== read.id) {
      const late = newer && stored > newer.at ? ", after it" : "";
      sentences.push(`Redis stored them at tick ${stored}${late}.`);
    }
    if (read.source === "near") {
      sentences.push(`The read was answered from the memory of node ${read.node}.`);
      const lost = run.messages.find((message) => message.isLost && message.to === read.node && newer && message.sent > newer.at);
      if (lost && lost.sent < read.at) sentences.push(`The message of tick ${lost.sent} that was to tell it was lost.`);
    }
    return sentences.join(" ");
  }

  function outcome(run, writer, commit) {
    if (writer?.isKilled) return `, whose process was killed at tick ${writer.end}, before it could invalidate`;
    const acknowledged = run.obligations.find((one) => one.version >= commit.version);
    if (acknowledged) return `, and acknowledged at tick ${acknowledged.at}`;
    return ", and nothing was acknowledged";
  }

  Object.assign(simulator, { PROTOCOLS_BY_NAME: PROTOCOLS, VERDICTS, because });
})(globalThis.Simulator ??= {});
