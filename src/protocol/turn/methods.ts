/** Methods of TURN (RFC 8656 section 17) and of its TCP allocations (RFC 6062 section 6.1). */
export const turnMethods = {
  allocate: 0x003,
  refresh: 0x004,
  send: 0x006,
  data: 0x007,
  createPermission: 0x008,
  channelBind: 0x009,
  connect: 0x00a,
  connectionBind: 0x00b,
  connectionAttempt: 0x00c,
} as const
