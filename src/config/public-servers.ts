/**
 * Public servers used when none are named, as of 2026-11. Anyone may run them down: health is learnt at run time, and
 * none is needed for start-up. No TURN: a relay is somebody's bandwidth.
 */
export const publicServers = {
  mqtt: [
    'mqtts://broker.emqx.io:8883',
    'mqtts://broker.hivemq.com:8883',
    'mqtts://test.mosquitto.org:8886',
    'mqtt://broker.emqx.io:1883',
    'mqtt://broker.hivemq.com:1883',
    'mqtt://test.mosquitto.org:1883',
  ],
  stun: ['stun.l.google.com:19302', 'stun.cloudflare.com:3478', 'stun.nextcloud.com:443', 'stun.sipgate.net:3478'],
  ntp: ['time.cloudflare.com', 'pool.ntp.org', 'time.google.com'],
} as const
