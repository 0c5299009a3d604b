import { Fault } from '@ostler/contract/fault.ts'
import { purgeBody, STORAGE_LOOKS_PATH, STORAGE_PURGES_PATH } from '@ostler/contract/storage-api.ts'
import * as z from 'zod'
import { askForLooks, askForPurge, readLooks, readPurges } from '../store/storage-looks.ts'
import { nothing, type Route, route } from './route.ts'

const query = z.strictObject({ id: z.array(z.string()).optional() })
const text = z.string()
const look = z.strictObject({
  ...{ id: z.int(), host: text, ended: z.boolean(), fault: text.nullable() },
  orphans: z.array(
    z.strictObject({
      ...{ id: z.int(), kind: text, path: text, bytes: z.number(), modified: text, why: text },
    }),
  ),
})

/** Asks the nodes to look through their storage, and to remove what was listed. hkd does it. */
export function storageRoutes(): Route[] {
  return [
    route({
      method: 'post',
      path: STORAGE_LOOKS_PATH,
      summary: 'Asks every node to look for what nothing needs.',
      needs: 'storage.change',
      answer: z.strictObject({ ids: z.array(z.int()) }),
      status: 201,
      run: async ({ db, caller }) => ({ ids: await askForLooks(db, caller.name) }),
    }),
    route({
      method: 'get',
      path: STORAGE_LOOKS_PATH,
      summary: 'What was found.',
      needs: 'storage.see',
      query,
      repeated: ['id'],
      answer: z.array(look),
      hints: ['ostler_storage'],
      run: async ({ db, query: { id } }) => await readLooks(db, idsOf(id)),
    }),
    route({
      method: 'post',
      path: STORAGE_PURGES_PATH,
      summary: 'Asks for the removal of what was listed.',
      needs: 'storage.change',
      body: purgeBody,
      answer: nothing,
      status: 201,
      run: async ({ db, body: { ids } }) => {
        await askForPurge(db, ids)
        return {}
      },
    }),
    route({
      method: 'get',
      path: STORAGE_PURGES_PATH,
      summary: 'What became of it.',
      needs: 'storage.see',
      query,
      repeated: ['id'],
      answer: z.array(
        z.strictObject({ id: z.int(), path: text, ended: z.boolean(), fault: text.nullable() }),
      ),
      hints: ['ostler_storage'],
      run: async ({ db, query: { id } }) => await readPurges(db, idsOf(id)),
    }),
  ]
}

function idsOf(words: readonly string[] = []): number[] {
  if (!words.every((word) => /^\d{1,9}$/.test(word)))
    throw new Fault('request.invalid', { problem: 'id must be a number' })
  return words.map(Number)
}
