import type { SignedIn } from '../auth/sign-in.ts'
import { digestOf } from '../model/ticket-text.ts'
import type { Db } from '../store/open.ts'
import { addToken, saveAuthParameters } from '../store/tokens.ts'
import { randomLetters } from './random-letters.ts'

/** Tokens and what goes with them are good for a day, as in QVD (compatibility page 1.3). */
export const TOKEN_SECONDS = 24 * 3600
const LENGTH = 43

/** Keeps what the plugins said about a guest for a day; returns its number. */
export async function keepParameters(db: Db, guest: SignedIn): Promise<number> {
  return await saveAuthParameters(db, guest.user.id, guest, TOKEN_SECONDS)
}

/** A token's text, and the digest that is all that is kept of it. */
export function makeToken(): { token: string; digest: Buffer } {
  const token = randomLetters(LENGTH)
  return { token, digest: digestOf(token) }
}

/** Makes a token with which a guest comes in again for a day, on any number of connections. */
export async function issueToken(db: Db, guest: SignedIn): Promise<{ token: string; parametersId: number }> {
  const { token, digest } = makeToken()
  const parametersId = await keepParameters(db, guest)
  const { onlyVm: vmId } = guest
  await addToken(db, {
    digest,
    userId: guest.user.id,
    ...(vmId === undefined ? {} : { vmId }),
    parametersId,
    multiUse: true,
    seconds: TOKEN_SECONDS,
  })
  return { token, parametersId }
}
