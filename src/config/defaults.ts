/** One home for each number of the product, with its reason. Durations in milliseconds, sizes in bytes. */
const second = 1_000
const minute = 60 * second
const kib = 1_024
const mib = 1_024 * kib

export const defaults = {
  /** How a connection attempt spends its time: near paths first, messages only where they are needed, and an answer in seconds when nobody is there. */
  attempt: {
    /** Whole attempt; P2PD takes a minute and more to fail. */
    timeoutMs: 30 * second,
    /** How far a machine may lag behind what is certain (docs/decisions/0011): on a LAN a pipe is open and has echoed by then. */
    machineLagMs: 10,
    /** A dial that has no connection by then is far, and its machine lags no longer. */
    headStartMs: 4,
    /** With that head start: the time for a dial on a LAN or loopback to come up before a message is spent on it. */
    offerGraceMs: 1,
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
    /** ACCEPT takes one round trip; two more allow for a segment that has to be sent again. */
    acceptRttFactor: 3,
    /** After PENDING: one second above the 5 s that authorize has. */
    pendingTimeoutMs: 6 * second,
    /** An application that has not answered by then has refused. */
    authorizeTimeoutMs: 5 * second,
    /** Most `authorize` functions answer at once; only slower ones cost a PENDING. */
    pendingGraceMs: 50,
  },
  /** One candidate, from its SYN to its end. */
  dial: {
    /** RFC 8305 section 5 recommends 250 ms and allows 100; a refused candidate starts the next at once. */
    staggerMs: 100,
    /** Three SYNs of the kernel (1 s, 3 s, 7 s): later ones rarely help. */
    timeoutMs: 8 * second,
    /** A candidate whose turn comes late still gets one round trip around the world. */
    minTimeoutMs: 500,
    /** A near peer is connected sooner, and each step that is told costs it time. */
    slowMs: 2,
    /** TLS and HELLO; sockets that take longer are dropped. */
    secureTimeoutMs: 5 * second,
    /** Candidates of one strategy in one attempt: 3 interfaces per family each side, bounded. */
    maxCandidates: 24,
    /** A loser that was ended by FIN is destroyed when its peer has not ended after this. */
    lingerMs: 2 * second,
    /** The responder keeps channels that were not chosen at most so long. */
    unusedChannelMs: 10 * second,
  },
  /** Punching: both sides connect to each other at one moment (docs/decisions/0015). */
  punch: {
    /** An offer waits so long for its ports where they are not warm: two round trips to a STUN server are done by then. */
    gatherMs: second,
    /** A commit or an update that has not come by then is not waited for. */
    updateMs: 3 * second,
    /** From a commit to its moment, besides an offer's round trip: two round trips to a STUN server 50 ms away, and some slack. What comes later is used too. */
    sampleMs: 120,
    /** After its moment a round waits so long for what the peer sampled. */
    lateMs: second,
    /** From the SYNs of a round to the next: a packet lost is sent again by then, a wrong guess is known to be wrong. */
    roundMs: 1_200,
    /** Commits of one attempt: with windows as they are one in a thousand misses twice. */
    rounds: 3,
    /** One volley: three SYNs of the kernel, at 0, 1 and 3 s. */
    volleyMs: 6 * second,
    /** All rounds: whoever cannot be joined hears of it in 10 s, signalling included. */
    timeoutMs: 7 * second,
    /** Volleys of one attempt: three interfaces per family each side, local and external, and some for later rounds. */
    maxVolleys: 48,
    /** Volleys a stranger's offer may cause; their SYNs are counted besides. */
    strangerVolleys: 2,
    /** Fresh ports at a counter, and so one more than the mappings of others that may come between: at least these, enough where others make 8 a second. */
    window: 8,
    /** And at most these, at a counter that never stands still. */
    maxWindow: 32,
    /** In a larger share of rounds others make fewer mappings than the window has ports. */
    windowConfidence: 0.99,
    /** From a sample to the SYN: a broker's round trip or two, and `sampleMs`. */
    sampleAgeMs: 300,
    /** Half windows beyond an aim that are shot at too, by one port each, where a mapping is kept: the counter may have gone on faster. */
    stepsBeyondAim: 6,
    /** External ports that lie closer together than this are of one block; carriers give 256 to 2,048 (RFC 7422). Chance puts ten ports of all so close together once in 10^9. */
    maxBlock: 4_096,
    /** So many ports of a block are enough for a birthday punch: 1,024 SYNs reach a quarter of the largest, and all of most. */
    blockPorts: 24,
    /** From a port of a new block its others are looked for so far, at least. */
    minReach: 512,
    /** A birthday punch: so many ports of a side whose NAT chooses at random, */
    birthdayPorts: 256,
    /** and so many SYNs of the other, to as many ports: of 64,512 one is hit in 98 of 100 cases. */
    birthdaySyns: 1_024,
    /** Both on behalf of strangers: one in 16 cases, and nobody is flooded. */
    birthdaySmall: 64,
    /** Routers of homes track some thousand new connections a second. */
    birthdaySynsPerSecond: 500,
    /** Where the NAT of the many SYNs answers by RST they go first: 250 of them have left by then, which meet one of 256 ports in 63 of 100 cases; the next round has more. */
    birthdayRefusedWaitMs: 500,
    /** SYNs of one volley that follow refusals, together, in the mean; home routers cope with as many. */
    repeatsPerSecond: 500,
    /** So many of them leave before that counts. */
    repeatBurst: 50,
    /** The port or the pair of endpoints is in use, by a socket of ours that ends: tried again after up to so long. */
    conflictWaitMs: 40,
    /** Pairs that can be joined are joined by then, mostly; from then on refused ports wait longer and longer, */
    repeatPatienceMs: 2 * second,
    /** up to so long. */
    maxRepeatWaitMs: 500,
    /** Times a port dials again that was connected and hung up on in the TLS handshake: the peer's port may have had to stop listening to send. Others are not pestered. */
    maxRevivals: 3,
    /** Who dials a port that listens behind a filter waits so long: the moments of both sides differ by some ms. */
    listenLeadMs: 15,
    /** A port that listens is left alone for so long: the peer's SYN is on its way, and comes in once ours has opened the filter. */
    listenQuietMs: 250,
    /** SYNs to random ports leave in batches: a timer for each would be late. */
    batchMs: 10,
    /** Sockets of one volley in TLS at once: one is enough unless somebody else answers. */
    maxSecuring: 4,
    /** Sockets that wait for that: others behind the peer's address may connect to a port that listens. */
    maxWaiting: 16,
    /** A STUN server that has not answered by then is done without: an offer without its mapping is better than none. */
    serverMs: 800,
    /** The next server is asked when one has not answered by then (RFC 8305 section 5). Not sooner: on a counter each new mapping spoils a sample. */
    serverStaggerMs: 250,
    /** While our NAT is not known two servers are asked from one port, the second so long after the first: differing mappings are none to be stated. */
    secondServerMs: 100,
    /** A moment further ahead is refused: ports held for it would be held for nothing. */
    maxCommitMs: 5 * second,
    /** Updates and commits that are heard in one attempt: each round has one of each, and some that come late. */
    maxLetters: 32,
  },
  /** A TURN server between the two (docs/decisions/0017): the way that is left where no other leads. */
  relay: {
    /** A channel by relay that is ready waits so long for a better one, from the start of the attempt: a dial to the other side of the world is up by then, a punch mostly. */
    graceMs: 500,
    /** All servers of ours together: three that are dead and one that is slow. */
    allocateMs: 4 * second,
    /** One server: connecting and two round trips, with a SYN sent again. */
    serverMs: 3 * second,
    /** The next server is asked as well when one has not answered by then (RFC 8305 section 5 has 250 ms for one round trip; this is for two or three). */
    serverStaggerMs: 400,
    /** A responder asks its own servers too when the initiator's relay has not been reached by then: a SYN sent again would be there. */
    patienceMs: 1_500,
    /** A side without a relay waits so long for that of the other: two of its servers are dead, and a third answers. */
    updateMs: 3 * second,
    /** From the answer on: whoever cannot be joined hears of it in 10 s, signalling included. */
    timeoutMs: 7 * second,
    /** Ways tried in one attempt: four relays of the peer, by our interfaces. */
    maxCandidates: 16,
    /** Connects to one relayed endpoint, which the relay hangs up until the peer's permission is there, */
    maxDials: 6,
    /** the second so long after the first was hung up, each further one after twice the time: 1 s in all. */
    redialMs: 40,
    /** Peers that have connected to a relayed endpoint and wait to be taken: one is enough unless somebody else comes. */
    maxWaiting: 4,
    /** Addresses that may come, of one peer: what an offer can state, and an update. */
    maxPermissions: 16,
    /** Relayed endpoints held at once on behalf of strangers: servers have quotas. */
    strangerHolds: 8,
    /** A server that did not serve is asked again after this, */
    retryMs: minute,
    /** and one that does is, to see whether it still does. */
    refreshMs: 10 * minute,
  },
  /** What is remembered of how pipes came up, to be tried first. */
  memory: {
    /** Peers by networks of ours; a file of 20 kB. */
    maxPaths: 256,
    /** Routers are replaced, and what was best may be so no longer: then it is found out anew. */
    maxAgeDays: 30,
    /** The file is written at most so often, and when the node closes. */
    writeEveryMs: minute,
    /** A longer file is none of ours. */
    maxFileBytes: 64 * kib,
  },
  /** The listening port, which anybody may dial. */
  listen: {
    /** Sockets that have not authenticated yet, together; more are dropped. */
    maxUnauthenticated: 256,
    /** Connections the kernel keeps until we take them; what Node itself asks for. */
    backlog: 511,
  },
  /** Brokers, and the letters that travel by them. */
  signalling: {
    /** Homes of a node: one may die. */
    homes: 2,
    /** createNode waits so long for the first broker, never longer. */
    startupWaitMs: 3 * second,
    /** TCP, TLS and CONNECT take three or four round trips: enough for a broker on the other side of the world. */
    connectTimeoutMs: 3 * second,
    /** Below the idle time after which home routers forget a connection. */
    keepaliveSeconds: 30,
    /** First wait after a failure; each wait is a random part of a ceiling that doubles, so that a broker that returns is not stormed. */
    backoffMinMs: second,
    /** The ceiling ends here: a broker that is back is used again within a minute. */
    backoffMaxMs: minute,
    /** A home down for so long is replaced by the next of the list. */
    replaceAfterMs: 3 * second,
    /** A look-up by id asks as many brokers first as a node has homes: with equal lists these are its homes. */
    lookupFirst: 2,
    /** Brokers asked in each later wave, should the lists differ or homes be dead. */
    lookupNext: 3,
    /** Time between waves: a broker and a peer that work have answered by then. */
    lookupEveryMs: 1_500,
    /** Brokers one look-up or offer may touch. */
    lookupMaxBrokers: 8,
    /** An unknown peer is told to be one within 10 s, connecting included. */
    lookupTimeoutMs: 8 * second,
    /** Brokers named by a peer that are not in our list. */
    foreignMax: 2,
    /** An answer goes out on the other brokers too when it was not acknowledged by then. */
    answerElsewhereMs: second,
    /** The largest offer has twelve interface records, a protocol of 255 bytes and some fields: 1,077 bytes; the rest is room for later fields. */
    maxEnvelopeBytes: 4 * kib,
    /** Opening an envelope costs about 0.2 ms: strangers who hold only the id get at most a few percent of a core. */
    untaggedPerSecond: 100,
    /** Letters remembered against replays; about 0.5 MB. */
    dedupeEntries: 4_096,
    /** Longer than any letter stays fresh: the clock tolerance both ways, and the 3 minutes of a nonce. */
    dedupeMs: 10 * minute,
    /** Clocks that nobody sets drift by seconds a day; a sender further off is challenged, which costs one round trip. */
    clockToleranceMs: 120 * second,
    /** Clocks 10 s apart cost no round trip right after a start; a letter replayed from so shortly before it costs one attempt (docs/decisions/0016). */
    startSlackMs: 15 * second,
  },
  /** Bounds of docs/protocol.md that both sides must share. */
  protocol: {
    /** Four brokers of 128 bytes, six interfaces, keys and signature come to 887. */
    maxAddressBytes: kib,
    /** Two homes, and two more while homes change. */
    maxBrokers: 4,
    /** A host name of usual length, port and path; four of them have to fit an address. */
    maxBrokerUrlBytes: 128,
    /** Four strategies exist; the rest is room for later ones. */
    maxStrategies: 16,
    /** Relayed endpoints of one side: two servers, an address of each family at each. */
    maxRelays: 4,
    /** What the length byte of OPEN can say. */
    maxProtocolBytes: 255,
    /** Peers whose checked public keys are remembered (0.1 ms each to compute, about 1 kB each to keep). */
    curveCacheEntries: 1_024,
  },
  /** True time, from time servers (SNTP). */
  clock: {
    /** Exchanges with a server per round; the one of least delay counts. Most servers answer so many in a row. */
    burst: 4,
    /** Between the exchanges of a burst: a busy moment of this process ends in between. */
    burstGapMs: 200,
    /** No further exchange begins after this; a round should take about a second. */
    burstLimitMs: 3 * second,
    /** Until the request is repeated; the answer to an earlier one still counts, so paths by satellite work too. */
    repeatMs: 500,
    /** Requests of one exchange: a dead server costs 1.5 s, and two of them may be lost. */
    tries: 3,
    /** For a name server that is slow; later answers help the next round. */
    resolveTimeoutMs: 2 * second,
    /** A whole round; behind the limits of its exchanges. */
    roundLimitMs: 10 * second,
    /** Servers asked in a round: enough to outvote liars, and a bound for the traffic. */
    maxServers: 16,
    /** A server further from its own source is no use; MAXDIST of RFC 5905 is 1.5 s. */
    maxRootDistanceMs: 1_500,
    /** What the system's clock may gain or lose unnoticed; quartz at room temperature stays within 50 ppm, at its limits within 100. */
    driftPpm: 100,
    /** Longest wait between rounds, the least is half of it: drift adds at most 90 ms meanwhile, and public servers are not bothered. */
    resyncMs: 15 * minute,
    /** Least wait after a round without result, or after a step of the system's clock; RFC 4330 section 10 forbids less. */
    retryMinMs: 15 * second,
    /** Rounds without result, one after the other, that end the trust in an estimate: about half an hour with their waits. */
    keepRounds: 8,
    /** How often the clocks of the system are compared; costs less than 0.1 ms. */
    watchEveryMs: 2 * second,
    /** The clocks are read one after the other, to the millisecond; a process may be held up in between. */
    minStepMs: 50,
    /** Some systems tell how long they are up in whole seconds. */
    minStandstillMs: 1_500,
    /** Answers of our own responder, to all clients together: enough for a LAN, no tool for a flood. */
    answersPerSecond: 1_000,
  },
  /** Bytes of a pipe, and what is remembered of it. */
  session: {
    /** Credit each pipe has of its own, outside any pool. */
    baseWindow: 64 * kib,
    /** Bandwidth x RTT of 400 Mbit/s at 160 ms. */
    maxWindow: 8 * mib,
    /**
     * A window grows to this for each millisecond of round trip (2 Gbit/s), to one of them on shorter paths. A larger one
     * only fills queues there: memory gone cold on its way costs up to half of the throughput over loopback.
     */
    windowPerRttMs: 256 * kib,
    /** The round trip comes from a TLS handshake, whose arithmetic takes about so long; on a near path that is nearly all of it. */
    handshakeCostMs: 1,
    /** What all pipes of a node may borrow above their base windows. */
    windowPool: 128 * mib,
    /** One TLS record (RFC 8446 section 5.1). */
    maxDataBytes: 16 * kib,
    /** What a responder may have to keep before it has accepted: one frame. */
    firstBytesMax: 16 * kib,
    /** How long a late OPEN still learns how its session ended. */
    tombstoneMs: minute,
    /** Closed sessions remembered at once; about 0.5 MB. */
    maxTombstones: 4_096,
    /** A process leaves after this even when the peer has not acknowledged. */
    leaveAfterMs: 800,
    /** Frames that may wait on a channel nobody reads yet: OPEN and the first bytes. */
    maxParkedBytes: 64 * kib,
  },
  /** When silence is looked into, and when it is a loss. */
  liveness: {
    /** A pipe that received data so recently counts as busy. */
    activeMs: 5 * second,
    /** Silence on a busy pipe before the first PING: longer than the pauses of a loaded peer. */
    activePingMinMs: 300,
    /** The same in round trips, for long paths. */
    activePingRttFactor: 2,
    /** Between PINGs that stay unanswered. */
    repeatMs: second,
    /** On an idle pipe: below the 30 s after which the worst NATs forget a mapping that should live for hours (RFC 5382). */
    idlePingMs: 20 * second,
    /** From the first unanswered PING: longer than a change of network or a burst of loss, shorter than people's patience. */
    lostAfterMs: 15 * second,
  },
  /** Learning how our endpoints look from outside. */
  stun: {
    /** First wait for a reply before a request is sent again; each wait is twice as long (RFC 8489 section 6.2.1). */
    rtoMs: 500,
    /** Times one request is sent over UDP (RFC 8489 section 6.2.1, Rc). */
    maxSends: 7,
    /** A long-term challenge with three texts and a reason of their greatest length (763 bytes each), and some room. */
    maxMessageBytes: 4 * kib,
    /** Messages over TCP that nobody asked for, late replies included, before the connection is given up. */
    maxUnsolicited: 64,
    /** Addresses of one name and family that are used: some names of public servers have dozens. */
    maxAddressesPerName: 4,
    /** Our own responder: what it may cost its host, and what it may be made to send to others. */
    responder: {
      /** One address may be a whole CGNAT; what a forged source gets is still below 20 kB/s. */
      requestsPerSourcePerSecond: 200,
      /** A few percent of a core. */
      requestsPerSecond: 5_000,
      /** Over TCP; each costs a descriptor and a few kB. */
      maxConnections: 1_024,
      /** A host that enumerates its NAT opens a few dozen. */
      maxConnectionsPerSource: 128,
      /** A spare punch port asks again well before its NAT forgets it; who is silent for so long is gone. */
      idleMs: 10 * minute,
      /** Answers a requester has not read; no honest one lets that many lie. */
      maxUnsentBytes: 4 * kib,
      /** Dial-backs under way at once. */
      maxDialBacks: 64,
      /** Dial-backs go only to who asked over TCP, so the only one to be annoyed is the one who asks. */
      dialBacksPerSourcePerMinute: 120,
      /** 20 a second: as many SYNs as a busy browser sends. */
      dialBacksPerMinute: 1_200,
      /** One SYN and one repetition (1 s): a filter that dropped both drops the third. */
      dialBackTimeoutMs: 2 * second,
      /** The requester has noticed by then. */
      dialBackHoldMs: second,
    },
  },
  /** Our allocations on relays. */
  turn: {
    /** Attempts of one request: without or with an old nonce, with a new one, and once more when that expired meanwhile. */
    maxRounds: 3,
    /** The next address of a server is dialled when one has not connected by then (RFC 8305 section 5). */
    staggerMs: 250,
    /** What keeps an allocation alive may take so long: the kernel repeats a lost segment three times by then. */
    upkeepTimeoutMs: 10 * second,
    /** Giving an allocation back: a round trip around the world and a lost packet. A server that does not hear of it forgets by itself. */
    releaseTimeoutMs: second,
    /** An allocation is refreshed after this share of its lifetime: two more tries would fit. */
    refreshShare: 0.5,
    /** Default of RFC 8656 section 3.2, where a server does not state one; longer ones are refreshed as if they were so long. */
    lifetimeMs: 10 * minute,
    /** A shorter one is asked again no sooner than twice a second. */
    minLifetimeMs: second,
    /** Permissions last 5 minutes (RFC 8656 section 9), channels 10, but with a permission. */
    permissionRefreshMs: 4 * minute,
    /** Below the 30 s after which the worst NATs forget a mapping. */
    keepaliveMs: 20 * second,
    /** Addresses that are let in, by one allocation: three interfaces of a peer per family, for a dozen of peers. */
    maxPermissions: 64,
    /** Channels of one allocation. */
    maxChannels: 64,
    /** A peer's connection waits so long to be bound (RFC 6062 section 4.6). */
    arrivalMs: 30 * second,
    /** Connections of peers that wait at once; the oldest is given up for a further one. */
    maxArrivals: 16,
    /** Connections to the server opened ahead: one for a peer that comes, one for a connect of ours. */
    maxSpares: 2,
    /** Servers end a connection on which nothing is bound: coturn after 60 s. */
    spareMs: 45 * second,
    /** What the length of a STUN message can say: datagrams come in messages. */
    maxMessageBytes: 64 * kib + 16,
    /** With addresses and headers still a message; networks carry 1,200 without cutting them up. */
    maxDatagramBytes: 65_000,
    /** Over TCP: datagrams are dropped while so much has not left, as a full queue on a link would. */
    maxUnsentBytes: 256 * kib,
  },
  /** Finding out what the NAT does, by interface and family. At 40 ms of round trip a full enumeration has 1.5 s. */
  natProbe: {
    /** Servers asked at once: two have to agree, one may be dead, one may lie. */
    discoverServers: 4,
    /** And as many again when too few of these answer. */
    discoverRounds: 2,
    /** Bursts of fresh ports; the second, by another server, when the first was lost. */
    allocateRounds: 2,
    /** A port is sent to so many endpoints besides: three more of one server, and two others. */
    destinations: 5,
    /** Servers asked to send from elsewhere; the second for one that won't. */
    filterServers: 2,
    /** At 5 % loss each way all four get lost once in 10,000. */
    filterTries: 4,
    /** Longer than the bursts in which packets get lost. */
    filterGapMs: 80,
    /** Round trips that a dial-back takes, over TCP with those of its connection, and as many again to be late. */
    behaveRtts: 4,
    /** Least time for a hairpin, whose round trip no server tells. */
    hairpinMs: 300,
    /** A counter is left alone for so long, then looked at again: where others make 5 mappings a second, none comes in between once in 50 times. */
    recheckAfterMs: 800,
    /** By so many ports each time: one may be lost, or mapped from an earlier enumeration. */
    counterPorts: 2,
    /** What went further in that time was not moved by others, but begun anew elsewhere. */
    maxForeign: 4_096,
    /** From the sample by which a port is predicted to the packet that makes its mapping: the peer has to hear of it in between, some two round trips. */
    horizonMs: 150,
    /** A probe that waits for silence concludes so much before its batch ends: what is cut off is no silence. */
    marginMs: 20,
    /** For what does not answer at all: one repetition of a SYN (after 1 s) or of a request is answered by then. */
    maxMs: 1_250,
    /** So much of a burst is enough to go on: what is lost comes back too late to tell its order. */
    enoughShare: 0.75,
    /** When others have told enough, the rest gets so many times what the slowest took, */
    patienceFactor: 2,
    /** and this. */
    slackMs: 100,
    /** Local ports of probes: above the registered services of the machine, below what systems hand out by themselves (Linux from 32,768). */
    lowPort: 10_000,
    highPort: 32_000,
    /** For the addresses of servers. */
    listTimeoutMs: 3 * second,
    /** For one name; some time before the list has to be there. */
    resolveTimeoutMs: 2 * second,
    /** When two names are resolved the others get so much more: dead name servers of one must not hold up the rest. */
    resolveGraceMs: 400,
    /** One batch; behind the limits of its probes. */
    batchTimeoutMs: 5 * second,
    /** What was measured is measured again by then, since routers restart without telling: 10 minutes, and up to half of that more at random. */
    refreshMs: 10 * minute,
    /** A change of network comes as several events. */
    settleMs: 300,
    /** A spare punch port asks its server again, so that neither the NAT nor the server forgets it; many drop what is silent for a minute. */
    spareRefreshMs: 30 * second,
    /** Connecting it, and each of its questions. */
    spareTimeoutMs: 4 * second,
    /** One that a punch took is replaced after this: the punch's own packets go first, and one that was not used comes back. */
    claimRefillMs: 50,
    /** First wait after nobody answered; it doubles, each wait a random part of it. */
    retryMinMs: 2 * second,
    /** Its ceiling. */
    retryMaxMs: 2 * minute,
  },
  /** Framed messages. */
  messages: {
    /** A message is kept whole before it is delivered; `messages()` can be told another limit. */
    maxMessageBytes: mib,
  },
  /** What strangers may make this node do, to itself and to others; docs/security.md says where each is enforced. */
  budget: {
    /** A connect for a stranger ends before the third SYN, which Linux sends after 2 s since 6.5 (4 linear time-outs), after 3 s before. */
    strangerDialMs: 1_900,
    /** What the kernel sends by then: at 0 and 1 s. */
    synsPerDial: 2,
    /** A stranger's offer makes us dial where it says: four connects at most, by all strategies together, no tool for a flood. */
    strangerSynsPerOffer: 8,
    /** One per family; also the dials that reverse may make, the rest is for the punch. */
    strangerAddressesPerOffer: 2,
    /** Offers of strangers that are answered, over the whole node. */
    strangerOffersPerSecond: 4,
    /** Look-ups of strangers that are answered: each offer by id alone comes after one on each of two homes, so twice as many, and room for those nothing follows. */
    strangerLookupsPerSecond: 16,
    /** To one address over all strangers: eight connects, less than one impatient browser. */
    strangerSynsPerAddressPerMinute: 16,
    /** Attempts that offers have started and that run at once; further offers are refused with ERR_BUSY. */
    knownAttempts: 64,
  },
  /** The node as a whole. */
  node: {
    /** The lock and the listening port take milliseconds; a file system that hangs is not waited for. */
    openTimeoutMs: 10 * second,
    /** `settled()` never waits longer. */
    settledMaxMs: 10 * second,
    /** How often interfaces are compared; the call takes 42 µs. */
    interfacePollMs: 2 * second,
    /** Interface records per family in addresses and offers (protocol 2). */
    maxInterfacesPerFamily: 3,
  },
} as const
