import type { LabSpec } from '../../support/lab/index.js'

/** A lab with one of each helper. */
export const populated: LabSpec = { sites: { alice: { nat: 'masquerade', uplinkDelayMs: 5, hosts: ['second'] }, bob: { uplinkDelayMs: 5 }, carol: { nat: 'symmetric' } } }

/** Its anchor's processes: itself, two for wires, one for all NATs in user space. */
export const anchorFamilySize = 4
