import { Fault } from '@ostler/contract/fault.ts'

const UNIQUE_VIOLATION = '23505'

/** Adds a row whose name must be new. @throws Fault `object.exists`. */
export async function addNamed(
  kind: string,
  name: string,
  insert: () => Promise<{ id: number }>,
): Promise<number> {
  try {
    return (await insert()).id
  } catch (error) {
    if ((error as { code?: unknown }).code === UNIQUE_VIOLATION)
      throw new Fault('object.exists', { kind, name }, { cause: error })
    throw error
  }
}
