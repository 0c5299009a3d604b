import type { Log } from '@ostler/kit/log.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import type { NodeTrust } from './trust.ts'

/** An identity is good for a year: a node may run longer than that. */
const RENEW_MS = 86_400_000

export interface IdentitiesParts {
  readonly trust: Pick<NodeTrust, 'issueDoorIdentity' | 'renewOwn'>
  /** What the doors of this node read. */
  readonly file: string
  readonly door: Account
  /** How often, in milliseconds; by default each day. */
  readonly everyMs?: number
  readonly log: Log
}

/**
 * Gives the doors of this node their identity, and renews it and hkd's own from then on. One that could not be renewed
 * stays, and the next time it is tried again.
 * @throws Error when the doors cannot be given their first one.
 */
export async function keepIdentities(parts: IdentitiesParts): Promise<Disposable> {
  const { trust, file, door, log } = parts
  await trust.issueDoorIdentity(file, door)
  const orSay = (whose: string) => (error: unknown) =>
    log.warn('an identity was not renewed', { whose, error })
  const timer = setInterval(() => {
    trust.issueDoorIdentity(file, door).catch(orSay('l7r'))
    trust.renewOwn().catch(orSay('hkd'))
  }, parts.everyMs ?? RENEW_MS)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
