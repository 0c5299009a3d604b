/**
 * A text as a value in a name (RFC 4514): nothing in it is syntax any more.
 */
export function escapeInName(value: string): string {
  return value.replace(/[\0"+,;<=>\\]|^[ #]|[ ]$/g, hexOf)
}

/** A text as a value in a filter (RFC 4515): nothing in it is syntax any more. */
export function escapeInFilter(value: string): string {
  return value.replace(/[\0()*\\]/g, hexOf)
}

/** All of them are one byte each. */
function hexOf(character: string): string {
  return `\\${character.charCodeAt(0).toString(16).padStart(2, '0')}`
}

/**
 * Puts values into a template, in one pass: what a value holds is never replaced again. Letters without a value stay.
 * @param values by the letter behind the `%`.
 */
export function fill(
  template: string,
  values: Readonly<Record<string, string>>,
  escape: (value: string) => string,
): string {
  return template.replace(/%([a-z])/g, (place, letter: string) => {
    const value = values[letter]
    return value === undefined ? place : escape(value)
  })
}

/**
 * A filter as administrators write it, as the library reads it: without blanks and line ends between its parts, and
 * with escaped bytes of UTF-8 (`\c3\a9`) as the characters that they are.
 */
export function tidyFilter(filter: string): string {
  return filter
    .trim()
    .replace(/([()&|!])\s+(?=[()&|!])/g, '$1')
    .replace(/(?:\\[89a-f][0-9a-f])+/gi, (bytes) =>
      Buffer.from(bytes.replaceAll('\\', ''), 'hex').toString('utf8'),
    )
}

/**
 * Says whether a login is written plainly. Directories compare names in a mild way: full-width letters, invisible
 * characters and double blanks are the same to them, and one user would have a thousand names here.
 */
export function isPlain(login: string): boolean {
  const composed = login.normalize('NFC')
  return (
    composed === composed.normalize('NFKC') &&
    !/\p{Default_Ignorable_Code_Point}|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]| {2}|^ | $/u.test(composed)
  )
}
