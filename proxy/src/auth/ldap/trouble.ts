/**
 * A directory could not say yes or no. The message is for the log and completes "the directory …"; it never holds
 * a password.
 */
export class DirectoryTrouble extends Error {
  /** True when the directory itself is in trouble, and others should be asked before it for a while. */
  readonly isDown: boolean

  constructor(message: string, options: { isDown: boolean; cause?: unknown }) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'DirectoryTrouble'
    this.isDown = options.isDown
  }
}

/** Result codes (RFC 4511, appendix A) that need a name in a log. */
const NAMES: Readonly<Record<number, string>> = {
  1: 'operations error',
  2: 'protocol error',
  3: 'time limit exceeded',
  4: 'size limit exceeded',
  7: 'authentication method not supported',
  8: 'stronger authentication required',
  10: 'referral',
  11: 'administrative limit exceeded',
  13: 'confidentiality required',
  19: 'constraint violation',
  32: 'no such object',
  33: 'alias problem',
  34: 'invalid name',
  36: 'alias dereferencing problem',
  48: 'inappropriate authentication',
  49: 'invalid credentials',
  50: 'insufficient access rights',
  51: 'busy',
  52: 'unavailable',
  53: 'unwilling to perform',
  54: 'loop detected',
  80: 'other',
}

/** What an administrator can do about a code, whatever was asked. */
const CURES: Readonly<Record<number, string>> = {
  1: 'it may want an account in auth.ldap.binddn',
  8: 'it wants encryption: set auth.ldap.starttls, or use ldaps://',
  10: 'it keeps this part of the tree somewhere else: name that directory in auth.ldap.host',
  13: 'it wants encryption: set auth.ldap.starttls, or use ldaps://',
  34: 'the name is none: see auth.ldap.userbindpattern and auth.ldap.binddn',
}

const BUSY = 51
const UNAVAILABLE = 52

/**
 * The trouble that a result code stands for.
 * @param what completes "… to": what was asked for.
 * @param cure what to do, where it depends on the question.
 */
export function troubleOf(
  what: string,
  result: { readonly code: number; readonly text: string },
  cure = CURES[result.code],
): DirectoryTrouble {
  const said = [`"${NAMES[result.code] ?? 'unknown'}" (${result.code})`, result.text, cure]
    .filter((part) => part !== undefined && part !== '')
    .join('; ')
  return new DirectoryTrouble(`answered ${what} with ${said}`, {
    isDown: result.code === BUSY || result.code === UNAVAILABLE,
  })
}
