/** Reads an address of HTTP, with TLS or without; `undefined` for none. @throws Error for what is none, without naming it. */
export function httpAddress(word: string): URL | undefined {
  if (word === '') return undefined
  const url = URL.parse(word)
  if (
    url === null ||
    !['https:', 'http:'].includes(url.protocol) ||
    url.username !== '' ||
    url.password !== ''
  )
    // The address may be a secret itself.
    throw new Error('this is no address such as https://host/path, without a name and a password')
  return url
}
