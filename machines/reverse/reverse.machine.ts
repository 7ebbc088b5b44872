import { createDialMachine } from '../dial/dial.machine.js'

/** The responder dials the initiator, because the offer asks it to: for responders behind a NAT. */
export const reverseMachine = createDialMachine('reverse', 'responder')
