/** A TURN server as `--turn` names it: `turn:USER:PASSWORD@HOST:PORT?transport=tcp|udp`, `turns:` for TLS. */
export interface TurnUrl {
  readonly host: string
  readonly port: number
  /** Of the connection to the server, and of what it relays. Default tcp. */
  readonly transport: 'tcp' | 'udp'
  readonly isTls: boolean
  readonly username: string
  readonly password: string
}
