export { labAvailable, labMissing } from './availability.js'
export { natKind, natKindNames, natKinds, type NatKindName } from './kinds.js'
export { startLab } from './lab.js'
export type { Host, Lab, LabSpec, Site, SiteSpec } from './types.js'
