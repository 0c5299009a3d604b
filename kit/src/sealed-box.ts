import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  decapsulate,
  encapsulate,
  hkdfSync,
  randomBytes,
} from 'node:crypto'

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** What X25519 hands over: the sender's one-time public key. */
const HANDOVER_BYTES = 32
/** PKCS #8 of an X25519 key, before its 32 bytes. */
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex')

/** Opens what was sealed for it. */
export interface BoxKey {
  /** Whoever has this can seal, and open nothing. SPKI, PEM. */
  readonly publicKey: string
  /** @throws Error when it was sealed for somebody else or altered. */
  open(sealed: string): string
}

/**
 * A key for sealed texts that follows from a secret: the same secret and purpose give the same key.
 *
 * @param secret of at least 128 bits that nobody can guess.
 */
export function boxKey(secret: string | Buffer, purpose: string): BoxKey {
  const seed = Buffer.from(hkdfSync('sha256', secret, '', purpose, 32))
  const der = Buffer.concat([PKCS8_X25519, seed])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  return {
    publicKey: createPublicKey(privateKey).export({ format: 'pem', type: 'spki' }),
    open: (sealed) => {
      const bytes = Buffer.from(sealed, 'base64')
      const shared = decapsulate(privateKey, bytes.subarray(0, HANDOVER_BYTES))
      return openWith(shared, bytes.subarray(HANDOVER_BYTES))
    },
  }
}

/** Seals a text so that only the holder of the key can read it: X25519 and AES-256-GCM, base64. */
export function sealFor(publicKey: string, text: string): string {
  const { sharedKey, ciphertext } = encapsulate(createPublicKey(publicKey))
  return Buffer.concat([ciphertext, sealWith(sharedKey, text)]).toString('base64')
}

/** AES-256-GCM under a key of 32 bytes that both ends have: nonce, tag and ciphertext. */
export function sealWith(key: Buffer, text: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key, nonce)
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed])
}

/** @throws Error when it was sealed under another key or altered. */
export function openWith(key: Buffer, sealed: Buffer): string {
  const body = NONCE_BYTES + TAG_BYTES
  const options = { authTagLength: TAG_BYTES }
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES), options)
  decipher.setAuthTag(sealed.subarray(NONCE_BYTES, body))
  return Buffer.concat([decipher.update(sealed.subarray(body)), decipher.final()]).toString('utf8')
}
