/** Longer names are refused by the accounts database. */
const MAX_NAME = 20

/** A profile is a folder of the account's name: none can be made for these, with or without an extension. */
const DEVICE = /^(CON|PRN|AUX|NUL|COM[\d¹²³]|LPT[\d¹²³]|CONIN\$|CONOUT\$)(\..*)?$/i

/** The system's own, in English; what they are called in other languages is known by their number (`FIRST_USER`). */
const SYSTEMS_OWN = new Set(
  [
    ...['Administrator', 'Guest', 'DefaultAccount', 'WDAGUtilityAccount', 'krbtgt'],
    ...['SYSTEM', 'LOCAL', 'NETWORK', 'SERVICE', 'Everyone', 'Anonymous', 'Interactive', 'TrustedInstaller'],
    // folders beside the profiles
    ...['Public', 'Default'],
  ].map((name) => name.toLowerCase()),
)

/** Why no account of a user can have this name; `undefined` when one can. */
export function accountNameProblem(name: string): string | undefined {
  if (name === '') return 'the name is empty'
  if (name.length > MAX_NAME) return `the name is longer than ${MAX_NAME} characters`
  if (/["/\\[\]:;|=,+*?<>@\p{Cc}]/u.test(name)) return 'the name has a character that Windows does not allow'
  if (/^ |[. ]$/.test(name)) return 'the name begins with a blank, or ends with a blank or a dot'
  if (DEVICE.test(name)) return 'the name is that of a device'
  if (SYSTEMS_OWN.has(name.toLowerCase())) return 'this is an account of the system'
  return undefined
}
