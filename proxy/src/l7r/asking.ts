import { Fault } from '@ostler/contract/fault.ts'

/** What the database does not answer is told as that. @throws Fault `database.unavailable`. */
export async function asking<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('database.unavailable', { reason }, { cause })
  }
}
