import { labMissing, startLab, type Lab, type Site, type SiteSpec } from '../support/lab/index.js'
import { mosquittoMissing, startMosquitto, type Mosquitto } from '../support/mosquitto.js'
import type { Requirement } from '../support/requirements.js'

/** Sites with a Mosquitto on the internet host between them. */
export interface Village<Name extends string> {
  readonly sites: Readonly<Record<Name, Site>>
  /** What every peer is given. */
  readonly mqtt: readonly string[]
  readonly broker: Mosquitto
  readonly lab: Lab
  close(): Promise<void>
}

/** For `describeIf`. */
export const villageMissing = (): Requirement => labMissing() ?? mosquittoMissing

/** Builds the lab and starts the broker; the caller closes it. */
export async function startVillage<Name extends string>(sites: Readonly<Record<Name, SiteSpec>>): Promise<Village<Name>> {
  const lab = await startLab({ sites })
  try {
    const broker = await startMosquitto({ on: lab.internet })
    const close = async (): Promise<void> => {
      await broker.close()
      await lab.close()
    }
    return { sites: lab.sites, mqtt: [broker.url], broker, lab, close }
  } catch (error) {
    await lab.close()
    throw error
  }
}
