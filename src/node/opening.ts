import { Observable, type Subscriber, type Subscription } from 'rxjs'
import type { Channel } from '../net/channel.js'
import type { OpenEvent } from '../streams/session/types.js'

/** What to do about an ACCEPT: act on it now, and tell the machine soon. */
export interface AcceptSteps {
  readonly onAccepted: () => void
  readonly tellSoon: (tell: () => void) => void
}

/**
 * One OPEN of an initiator, sent when it is made. Whoever elects the channel hears what became of it, also what came
 * before. An ACCEPT is acted on at once and told one turn later: the application goes first.
 */
export class Opening {
  readonly channel: Channel
  readonly events$: Observable<OpenEvent>
  /** PENDING, and one that is final. */
  readonly #events: OpenEvent[] = []
  readonly #running: Subscription
  #elector: Subscriber<OpenEvent> | undefined

  constructor(channel: Channel, open$: Observable<OpenEvent>, { onAccepted, tellSoon }: AcceptSteps) {
    this.channel = channel
    this.events$ = new Observable(elector => {
      this.#elector = elector
      for (const event of this.#events.splice(0)) elector.next(event)
      return () => this.cancel()
    })
    this.#running = open$.subscribe(event => {
      if (event.type !== 'open.accepted') return this.#tell(event)
      onAccepted()
      tellSoon(() => this.#tell(event))
    })
  }

  /** Ends the channel, unless the peer has accepted it. */
  cancel(): void {
    this.#elector = undefined
    this.#running.unsubscribe()
  }

  #tell(event: OpenEvent): void {
    if (this.#elector === undefined) this.#events.push(event)
    else this.#elector.next(event)
  }
}
