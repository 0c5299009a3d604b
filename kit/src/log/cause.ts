import { AsyncLocalStorage } from 'node:async_hooks'

const causes = new AsyncLocalStorage<string | undefined>()

/**
 * Does something for a client's connection: until it is done, also behind its awaits and timers, `cause()` gives the
 * connection's id, and every line of the log bears it as `connection`.
 */
export function causedBy<T>(connection: string | undefined, work: () => T): T {
  return causes.run(connection, work)
}

/** The id of the connection for which something is being done; `undefined`: for none. */
export function cause(): string | undefined {
  return causes.getStore()
}
