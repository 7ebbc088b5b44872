/** One home for each number of the product, with its reason. Durations in milliseconds, sizes in bytes. */
const second = 1_000
const minute = 60 * second
const kib = 1_024
const mib = 1_024 * kib

export const defaults = {
  /** How a connection attempt spends its time (DESIGN 4). */
  attempt: {
    /** Whole attempt; P2PD takes a minute and more to fail. */
    timeoutMs: 30 * second,
    /** Gives a dial on a LAN or loopback the time to come up before a message is spent on it. */
    offerGraceMs: 5,
    /** A direct channel in TLS holds the offer back this long. */
    offerHoldMs: 250,
    /** No acknowledgement from any home broker: the peer is offline as far as signalling knows. */
    ackTimeoutMs: 3 * second,
    /** An acknowledged offer is answered at once; `authorize` has 5 s. */
    answerTimeoutMs: 6 * second,
    /** After the answer the other side dials us; its dials have 8 s. */
    inboundTimeoutMs: 9 * second,
    /** Waiting for ACCEPT: max of this and `acceptRttFactor` round trips. */
    acceptTimeoutMs: second,
    acceptRttFactor: 3,
    /** After PENDING: one second above the 5 s that authorize has. */
    pendingTimeoutMs: 6 * second,
    /** An application that has not answered by then has refused. */
    authorizeTimeoutMs: 5 * second,
    /** Most `authorize` functions answer at once; only slower ones cost a PENDING. */
    pendingGraceMs: 50,
  },
  dial: {
    /** RFC 8305 section 5 recommends 250 ms and allows 100; a refused candidate starts the next at once. */
    staggerMs: 100,
    /** Three SYNs of the kernel (1 s, 3 s, 7 s): later ones rarely help. */
    timeoutMs: 8 * second,
    /** TLS and HELLO; sockets that take longer are dropped. */
    secureTimeoutMs: 5 * second,
    /** Candidates of one strategy in one attempt: 3 interfaces per family each side, bounded. */
    maxCandidates: 24,
    /** A loser that was ended by FIN is destroyed when its peer has not ended after this. */
    lingerMs: 2 * second,
    /** The responder keeps channels that were not chosen at most so long. */
    unusedChannelMs: 10 * second,
  },
  listen: {
    /** Sockets that have not authenticated yet, together; more are dropped. */
    maxUnauthenticated: 256,
    backlog: 511,
  },
  signalling: {
    /** Homes of a node: one may die. */
    homes: 2,
    /** createNode waits so long for the first broker, never longer. */
    startupWaitMs: 3 * second,
    connectTimeoutMs: 3 * second,
    keepaliveSeconds: 30,
    backoffMinMs: second,
    backoffMaxMs: minute,
    /** A home down for so long is replaced by the next of the list. */
    replaceAfterMs: 3 * second,
    /** Look-ups by id: first two brokers, then three more every 1.5 s, 8 brokers, 8 s. */
    lookupFirst: 2,
    lookupNext: 3,
    lookupEveryMs: 1_500,
    lookupMaxBrokers: 8,
    lookupTimeoutMs: 8 * second,
    /** Brokers named by a peer that are not in our list. */
    foreignMax: 2,
    /** An answer goes out on the other brokers too when it was not acknowledged by then. */
    answerElsewhereMs: second,
    maxEnvelopeBytes: 4 * kib,
    untaggedPerSecond: 100,
    dedupeEntries: 4_096,
    dedupeMs: 10 * minute,
    clockToleranceMs: 120 * second,
  },
  /** Bounds of docs/protocol.md that both sides must share. */
  protocol: {
    /** Four brokers of 128 bytes, six interfaces, keys and signature come to 935. */
    maxAddressBytes: kib,
    maxBrokers: 4,
    maxBrokerUrlBytes: 128,
    /** Four strategies exist; the rest is room for later ones. */
    maxStrategies: 16,
    maxProtocolBytes: 255,
    /** Peers whose checked public keys are remembered (0.1 ms each to compute, about 1 kB each to keep). */
    curveCacheEntries: 1_024,
  },
  session: {
    /** Credit each pipe has of its own, outside any pool. */
    baseWindow: 64 * kib,
    /** Bandwidth x RTT of 400 Mbit/s at 160 ms. */
    maxWindow: 8 * mib,
    /** What all pipes of a node may borrow above their base windows. */
    windowPool: 128 * mib,
    maxDataBytes: 16 * kib,
    firstBytesMax: 16 * kib,
    /** Finals of closed sessions are remembered so long, at most so many. */
    tombstoneMs: minute,
    maxTombstones: 4_096,
    /** A process leaves after this even when the peer has not acknowledged. */
    leaveAfterMs: 800,
    /** Frames that may wait on a channel nobody reads yet: OPEN and the first bytes. */
    maxParkedBytes: 64 * kib,
  },
  liveness: {
    activeMs: 5 * second,
    activePingMinMs: 300,
    activePingRttFactor: 2,
    repeatMs: second,
    idlePingMs: 20 * second,
    lostAfterMs: 15 * second,
  },
  messages: { maxMessageBytes: mib },
  /** Safety rules (DESIGN 7). */
  budget: {
    /** What the kernel sends in the 8 s of one dial: at 0, 1, 3 and 7 s. */
    synsPerDial: 4,
    strangerSynsPerOffer: 8,
    strangerAddressesPerOffer: 2,
    strangerOffersPerSecond: 4,
    strangerSynsPerAddressPerMinute: 16,
    knownAttempts: 64,
    strangerBirthdaySyns: 64,
  },
  node: {
    /** `settled()` never waits longer. */
    settledMaxMs: 10 * second,
    /** How often interfaces are compared; the call takes 42 µs. */
    interfacePollMs: 2 * second,
    /** Interface records per family in addresses and offers (protocol 2). */
    maxInterfacesPerFamily: 3,
  },
} as const
