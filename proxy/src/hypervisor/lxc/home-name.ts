/** The tenant whose users had homes before there were others: theirs keep their names. */
const FIRST_TENANT = 'default'

/**
 * The name of a home's folder: `LOGIN-FLAVOUR`, or `LOGIN@TENANT-FLAVOUR` where the tenant is another one than
 * `default`. What is no letter, digit, `_`, `.` or `-` becomes `+` and its bytes in hex, so that two users never share a
 * folder and nobody's name leads out of it.
 */
export function homeName(login: string, tenant: string, flavourId: number): string {
  const owner = tenant === FIRST_TENANT ? plain(login) : `${plain(login)}@${plain(tenant)}`
  return `${owner}-${flavourId}`
}

function plain(name: string): string {
  const bytesOf = (char: string): string => Buffer.from(char).toString('hex')
  return name.replace(/[^A-Za-z0-9_.-]/gu, (char) => `+${bytesOf(char)}`)
}
