/**
 * Bears the id of a client's connection: on the door's answers to her, and on the door's and hkd's calls of agents that
 * she causes. The same id stands in the logs of all of them.
 */
export const CONNECTION_HEADER = 'X-Ostler-Connection'

/** @returns the id that a header bears; `undefined` for what cannot be one. */
export function connectionIdIn(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' && /^[a-z0-9]{8,32}$/.test(header) ? header : undefined
}
