import { Fault } from './fault.ts'
import type { SLAVE_UPGRADES } from './slave.ts'

type Token = (typeof SLAVE_UPGRADES)[keyof typeof SLAVE_UPGRADES]

/** The headers with which an end of the slave channel asks for an upgrade, and with which the other grants it. */
export function upgradeHeaders(token: Token): Record<string, string> {
  return { Connection: 'Upgrade', Upgrade: token }
}

/**
 * Checks that a request asks for an upgrade, whatever the case of its words.
 * @returns the character set that is named with the token, if one is.
 * @throws Fault `request.invalid` when it does not, or names a character set that can be none.
 */
export function requireUpgrade(headers: ReadonlyMap<string, string>, token: Token): string | undefined {
  const words = (name: string): string[] =>
    (headers.get(name) ?? '').split(',').map((word) => word.trim().toLowerCase())
  const [asked, ...parameters] = (headers.get('upgrade') ?? '').split(';').map((word) => word.trim())
  if (!words('connection').includes('upgrade') || asked?.toLowerCase() !== token)
    throw new Fault('request.invalid', { problem: `this needs an upgrade to ${token}` })
  const charset = parameters
    .map((word) => /^charset=(.*)$/i.exec(word)?.[1])
    .find((name) => name !== undefined)
  if (charset !== undefined && !/^[A-Za-z0-9][\w.:+-]{0,39}$/.test(charset))
    throw new Fault('request.invalid', { problem: 'the character set has no possible name' })
  return charset
}
