import { createHmac } from 'node:crypto'

/**
 * The 8 bytes by which two nodes notice that they share a machine (protocol section 1).
 *
 * @param secret - The machine secret: the same for all processes of one machine and network namespace.
 * @param publicKey - The key of the node that states the tag.
 */
export const machineTag = (secret: Uint8Array, publicKey: Uint8Array): Buffer =>
  createHmac('sha256', secret).update(publicKey).digest().subarray(0, 8)
