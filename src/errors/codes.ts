/** What went wrong, when it happens, what the reader can do, and the command's exit code. The only list of codes; docs/errors.md is generated from it. */
export interface CodeEntry {
  readonly when: string
  readonly advice: string
  /** Exit code of the command (docs/cli.md): 1 local, 2 usage, 3 no sign of life, 4 nothing connected, 5 refused or wrong peer, 6 lost, 130 interrupted. */
  readonly exit: 1 | 2 | 3 | 4 | 5 | 6 | 130
}

const entry = (exit: CodeEntry['exit'], when: string, advice: string): CodeEntry => ({ exit, when, advice })

export const codes = {
  // usage and configuration
  ERR_USAGE: entry(2, 'An argument or option is missing, unknown or contradictory.', 'Run the command with --help.'),
  ERR_CONFIG: entry(1, 'A configuration file cannot be read or holds a value of the wrong kind.', 'Correct the named setting.'),
  ERR_ALLOW_REQUIRED: entry(2, '`--exec` or `--forward` was given without `--allow`.', 'Name the peers with --allow ID, or --allow any for everybody who can reach this node.'),
  ERR_STRATEGY_UNKNOWN: entry(2, 'A strategy is not one of those this version has.', 'Use the strategies the message lists.'),
  ERR_BROKER_URL: entry(2, 'A broker URL is not mqtt://, mqtts://, ws:// or wss:// with a host.', 'Write it as mqtt://[USER:PASS@]HOST[:PORT].'),
  ERR_SERVER_URL: entry(2, 'A STUN, TURN or NTP server is not written as its option wants.', 'Write HOST:PORT for STUN and NTP, turn:USER:PASS@HOST:PORT?transport=udp|tcp for TURN.'),
  ERR_PROTOCOL_NAME: entry(2, 'A protocol name is longer than 255 bytes, or reserved.', 'Choose a shorter name that does not begin with tl/.'),
  // this machine
  ERR_IDENTITY_UNREADABLE: entry(1, 'The key file cannot be read, or its folder cannot be written.', 'Check the path and its owner, or name another with --identity.'),
  ERR_IDENTITY_PERMISSIONS: entry(1, 'The key file can be read by others.', 'Run chmod 600 on it; if others may have read it, make a new identity.'),
  ERR_IDENTITY_INVALID: entry(1, 'The key file holds no Ed25519 private key in PEM form.', 'Restore it from a backup, or move it away to have a new one made.'),
  ERR_IDENTITY_IN_USE: entry(1, 'Another process on this machine already receives for this identity.', 'Stop it, or give this one another key with --identity.'),
  ERR_PORT_IN_USE: entry(1, 'The listening port is taken.', 'Choose another with --listen-port, or 0 for any.'),
  ERR_LISTEN: entry(1, 'The listening port could not be opened.', 'Read the cause; ports below 1024 need privileges.'),
  ERR_NO_INTERFACE: entry(1, 'No usable network interface, or the named one does not exist or has no address.', 'Check the names given with --interface; `ip address` lists them.'),
  ERR_BUDGET: entry(1, 'A safety limit of this node is used up.', 'Wait a moment; the limits are in docs/security.md.'),
  // names for a peer
  ERR_ADDRESS_INVALID: entry(2, 'An address or id is malformed, truncated, or has characters that cannot occur.', 'Copy it again, whole.'),
  ERR_ADDRESS_SIGNATURE: entry(2, 'The signature of an address does not fit its key: it was changed on the way.', 'Ask the peer for its address again.'),
  ERR_PEER_UNKNOWN: entry(3, 'Nothing is known about this peer: no broker of ours had an answer for its id.', 'Check the id, and that both sides use the same broker (--mqtt); an address carries its own.'),
  // getting through
  ERR_NO_BROKER: entry(3, 'No broker could be reached, so the peer could not be asked.', 'Check --mqtt and the network.'),
  ERR_PEER_OFFLINE: entry(3, 'No sign of life from the peer: no acknowledgement and no authenticated endpoint.', 'Check that it is running, and that both sides use the same broker.'),
  ERR_NO_PATH: entry(4, 'The peer answered but no strategy found a path.', 'Read the candidates; let the listener open a port, or allow more strategies.'),
  ERR_TIMEOUT: entry(4, 'The attempt took longer than it was given.', 'Raise --timeout, or read the candidates for what was slow.'),
  ERR_REFUSED: entry(5, 'The peer refused the request.', 'Ask its owner to allow your id (throughline identity prints it).'),
  ERR_UNHANDLED_PROTOCOL: entry(5, 'The peer has no handler for the protocol.', 'Check the protocol name and the version of the peer.'),
  ERR_BUSY: entry(5, 'The peer takes no more pipes now.', 'Try again later.'),
  ERR_PEER_KEY_MISMATCH: entry(5, 'Whoever answered holds another key than the peer that was asked for.', 'Ask the peer for its address again; if it repeats, somebody may stand in between.'),
  ERR_CANCELLED: entry(130, 'The attempt was cancelled by its signal.', 'Nothing: it was asked for.'),
  // one candidate
  ERR_DIAL_REFUSED: entry(4, 'The endpoint answered with a reset: nothing listens there, or a NAT refused.', 'Check that the peer still listens on it.'),
  ERR_DIAL_UNREACHABLE: entry(4, 'No route to the endpoint.', 'Check that both sides share a family (IPv4, IPv6) and a network.'),
  ERR_DIAL_TIMEOUT: entry(4, 'The endpoint did not answer: a firewall or NAT drops the packets, or nobody is there.', 'Try reverse, or open a port at the peer.'),
  ERR_DIAL_LOCAL: entry(4, 'The local address or port could not be used for this dial.', 'Check the interface.'),
  ERR_DIAL_FORBIDDEN: entry(4, 'The safety rules do not let this endpoint be dialled for this peer.', 'See docs/security.md: private endpoints of strangers are dialled only on-link.'),
  ERR_DIAL_SELF: entry(4, 'The dial reached its own socket.', 'Nothing: it was dropped.'),
  ERR_PUNCH_TIMEOUT: entry(4, 'The NATs let no connection through in time, though both sides tried at once.', 'Read the other candidates; where both NATs draw a random port per destination only a relay or an opened port helps.'),
  ERR_SECURE_TIMEOUT: entry(4, 'The other end accepted the connection and stayed silent.', 'Something that is not Throughline may listen there.'),
  ERR_SECURE_FAILED: entry(4, 'The TLS handshake failed.', 'Something that is not Throughline may listen there, or a device in between interferes.'),
  ERR_VERSION: entry(4, 'The peer speaks another version of the protocol.', 'Update the older side.'),
  ERR_SUPERSEDED: entry(4, 'Another channel of the same attempt was chosen.', 'Nothing: this is the normal end of the slower candidates.'),
  ERR_CHANNEL_LOST: entry(4, 'The channel ended before the pipe was open on it.', 'Nothing: the next candidate is tried.'),
  ERR_ACCEPT_TIMEOUT: entry(4, 'The peer did not accept the pipe on this channel in time.', 'Nothing: the next candidate is tried.'),
  ERR_NOT_LOCAL: entry(4, 'The strategy had no endpoint to try.', 'The peer published no endpoint this machine can dial.'),
  // brokers
  ERR_BROKER_UNREACHABLE: entry(3, 'The broker could not be reached.', 'Check host, port and network.'),
  ERR_BROKER_TIMEOUT: entry(3, 'The broker did not answer in time.', 'It may be overloaded, or something else listens there.'),
  ERR_BROKER_LOGIN: entry(3, 'The broker refused the user or password.', 'Check the credentials in its URL.'),
  ERR_BROKER_REFUSED: entry(3, 'The broker refused the connection, a subscription or a message.', 'Check its access rules: topics tl/1/# must be allowed.'),
  ERR_BROKER_TLS: entry(3, 'The certificate of the broker is not trusted.', 'Give its authority to Node with NODE_EXTRA_CA_CERTS.'),
  ERR_BROKER_LOST: entry(3, 'The connection to the broker broke.', 'Nothing: it is made again, with growing pauses.'),
  // time servers; none of these ends anything: the node goes on without
  ERR_TIME_SERVER_UNREACHABLE: entry(3, 'A time server has no address, cannot be reached, or does not answer.', 'Check --ntp; some networks block UDP port 123.'),
  ERR_TIME_SERVER_REFUSED: entry(3, 'A time server asks this machine to stay away, or to ask less often.', 'Name another with --ntp.'),
  ERR_TIME_SERVER_UNFIT: entry(3, 'A time server answers but has no usable time: it is not synchronised itself, or its values cannot be true.', 'Repair it, or name another with --ntp.'),
  ERR_CLOCK_UNSYNCHRONISED: entry(3, 'No time is known that a majority of the time servers agrees on.', 'Name time servers with --ntp: one that is trusted, or three or more, which outvote a wrong one.'),
  // servers that say how we look from outside
  ERR_STUN_TIMEOUT: entry(3, 'A STUN server did not answer in time.', 'Check --stun and the network; another server may do.'),
  ERR_STUN_BAD_REPLY: entry(3, 'A STUN server answered with something that is no valid answer, or ended the connection instead.', 'Something else may listen there; name another with --stun.'),
  ERR_STUN_REFUSED: entry(3, 'A STUN server refused the request.', 'It may not support what was asked of it, or be overloaded; another server may do.'),
  // relays: TURN servers
  ERR_RELAY_UNREACHABLE: entry(4, 'A TURN server has no address, or could not be reached.', 'Check the host and port of --turn, and the network.'),
  ERR_RELAY_TIMEOUT: entry(4, 'A TURN server did not answer in time.', 'It may be overloaded, or something else listens there; another server may do.'),
  ERR_RELAY_TLS: entry(4, 'The TLS handshake with a TURN server failed, or its certificate is not trusted.', 'The certificate has to name the host as --turn does; give its authority to Node with NODE_EXTRA_CA_CERTS.'),
  ERR_RELAY_CREDENTIALS: entry(4, 'A TURN server did not accept user and password.', 'Check both in --turn; time-limited ones may have expired.'),
  ERR_RELAY_QUOTA: entry(4, 'A TURN server has no room for another allocation, or the user none left.', 'Try again later, or raise user-quota or total-quota of the server.'),
  ERR_RELAY_UNSUPPORTED: entry(4, 'A TURN server does not relay what was asked for: TCP, or the family of addresses.', 'TCP needs transport=tcp and a server of RFC 6062, as coturn is one.'),
  ERR_RELAY_PEER: entry(4, 'A TURN server does not relay to this peer, or could not connect to it.', 'See whether its rules (denied-peer-ip) forbid the address of the peer; private and loopback ones often are.'),
  ERR_RELAY_REFUSED: entry(4, 'A TURN server refused a request.', 'Read its words in the message; its log tells more.'),
  ERR_RELAY_BAD_REPLY: entry(4, 'A TURN server answered with something that is no valid answer, or not signed with the password.', 'Something else may listen there; check --turn.'),
  ERR_RELAY_LOST: entry(4, 'The connection to a TURN server broke, or the server has given up the allocation.', 'Nothing: another is made when it is needed.'),
  ERR_RELAY_NONE: entry(4, 'No TURN server is configured here.', 'Name one with --turn; one of either side is enough.'),
  ERR_RELAY_UNMET: entry(4, 'The two sides did not meet at the relay in time.', 'See whether both reach the relay, and its relayed ports (min-port to max-port of coturn) can be reached from outside.'),
  // an open pipe
  ERR_CONNECTION_LOST: entry(6, 'The path under an open pipe broke.', 'Connect again; bytes beyond the acknowledged ones may not have arrived.'),
  ERR_PIPE_SILENT: entry(6, 'The peer did not show a sign of life for 15 seconds.', 'Connect again; the peer or the network between is gone.'),
  ERR_PIPE_ABORTED: entry(6, 'The other end gave up the pipe with data unfinished.', 'Look at the other end for the reason.'),
  ERR_PIPE_CLOSED: entry(6, 'Something was written to a pipe that is closed.', 'Do not write after end, or after the peer left.'),
  ERR_INTERRUPTED: entry(130, 'The process of that side was interrupted with data unfinished.', 'Start it again.'),
  ERR_HANDLER_FAILED: entry(6, 'The program or target behind the pipe failed.', 'Look at the log of the listening side.'),
  ERR_PROTOCOL_VIOLATION: entry(6, 'The peer sent something the protocol does not allow.', 'Update the older side; if both are current, report it.'),
  ERR_SESSION_UNKNOWN: entry(6, 'The peer does not know this pipe any more: it restarted.', 'Connect again.'),
  ERR_EPOCH_STALE: entry(6, 'A later channel of this pipe was opened already.', 'Nothing: the later channel is used.'),
  ERR_MESSAGE_TOO_LARGE: entry(6, 'A framed message is larger than the limit of messages().', 'Send it in parts, or raise maxMessageBytes on both sides.'),
  ERR_NODE_CLOSED: entry(1, 'The node is closed.', 'Make a new one.'),
  ERR_MALFORMED: entry(4, 'Bytes from the network have no valid form.', 'Nothing: they are dropped.'),
  ERR_INTERNAL: entry(1, 'A defect of Throughline itself.', 'Please report it with the output of --report.'),
} as const satisfies Record<string, CodeEntry>

/** One of the closed list of error codes; see docs/errors.md. */
export type ErrorCode = keyof typeof codes

/** Tells whether a text (from the wire, say) is a code of this version. */
export const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(codes, text)
