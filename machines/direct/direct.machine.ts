import { createDialMachine } from '../dial/dial.machine.js'

/** The initiator dials the responder. Starts at once and waits for nothing. */
export const directMachine = createDialMachine('direct', 'initiator')
