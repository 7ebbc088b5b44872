export { labAvailable, labMissing } from './availability.js'
export { startLab } from './lab.js'
export type { Host, Lab, Site, SiteSpec } from './types.js'
