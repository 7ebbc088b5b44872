import { generateKeyPairSync, type KeyObject } from 'node:crypto'

/** A fresh X25519 private key, for one envelope; takes a third of the time of importing one. */
export const newSealingKey = (): KeyObject => generateKeyPairSync('x25519').privateKey
