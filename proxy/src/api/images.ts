import { ADMIN_OBJECTS, desktopBody, type Expiring, tagBody } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { basename, dirname } from 'node:path'
import * as z from 'zod'
import { parseAtTime } from '../model/at-time.ts'
import { desktopByName, flavourByName } from '../store/admin.ts'
import {
  addImage,
  changeDesktopTag,
  deleteImage,
  type Expiry,
  setDesktopExpiry,
  tagImage,
  untagImage,
} from '../store/images.ts'
import type { Db } from '../store/open.ts'
import { expiring } from './answers.ts'
import { type Named, type Route, route } from './route.ts'

/** What a request says about expiry, in words. */
interface ExpiryWords {
  readonly 'expire-soft'?: string | undefined
  readonly 'expire-hard'?: string | undefined
}

const IMAGE: Named = { kind: 'di-number', in: 'path', key: 'id' }

/**
 * Disk images, their tags, and which one a desktop gets.
 * @param staging `path.storage.staging`
 */
export function imageRoutes(staging: string): Route[] {
  const { di, vm } = ADMIN_OBJECTS
  const same = { needs: 'image.change', reach: 'tenant', about: [IMAGE] } as const
  return [
    route({
      method: 'post',
      path: di.path,
      summary: 'Adds a disk image, whose file lies in the staging folder or at a path of the nodes.',
      needs: 'image.change',
      makes: 'di',
      body: di.schema,
      answer: z.looseObject({ id: z.int(), version: z.string(), expiring }),
      status: 201,
      run: async ({ db, body: { osf, osf_id, name, kind, path, version, sha256, ...words } }) => {
        const flavourId = osf_id ?? (await flavourByName(db, osf ?? ''))
        const expiry = read(words)
        const image = { flavourId, name, kind, path: inStaging(path, staging), version, sha256 }
        const { expiring: count, ...added } = await addImage(db, image, expiry)
        return { ...added, expiring: told(count, expiry) }
      },
    }),
    route({
      ...same,
      method: 'delete',
      path: `${di.path}/:id`,
      summary: 'Removes a disk image; its file stays.',
      run: async ({ db, part }) => {
        await deleteImage(db, numberOf(part('id')))
        return {}
      },
    }),
    route({
      ...same,
      method: 'post',
      path: `${di.path}/:id/tags`,
      summary: 'Lets a tag stand for this image, and says when desktops that run another one expire.',
      body: tagBody,
      answer: z.strictObject({ expiring }),
      status: 201,
      run: async ({ db, part, body: { tag, ...words } }) => {
        const expiry = read(words)
        const tagged = await tagImage(db, numberOf(part('id')), tag, expiry)
        return { expiring: told(tagged.expiring, expiry) }
      },
    }),
    route({
      ...same,
      method: 'delete',
      path: `${di.path}/:id/tags/:tag`,
      summary: 'Takes a tag away.',
      run: async ({ db, part }) => {
        await untagImage(db, numberOf(part('id')), part('tag'))
        return {}
      },
    }),
    route({
      method: 'patch',
      path: `${vm.path}/:name`,
      summary: 'Changes the tag of a desktop, and when it expires.',
      needs: 'desktop.change',
      reach: 'tenant',
      about: [{ kind: 'vm', in: 'path', key: 'name' }],
      body: desktopBody,
      answer: z.strictObject({ expiring }),
      run: async ({ db, part, body }) => ({
        expiring: await changeDesktop(db, await desktopByName(db, part('name')), body),
      }),
    }),
  ]
}

/** Changes the tag of a desktop, and when it expires. @throws Fault `time.invalid`, `object.unknown`. */
export async function changeDesktop(
  db: Db,
  vmId: number,
  { di_tag: tag, ...words }: z.output<typeof desktopBody>,
): Promise<Expiring> {
  const now = new Date()
  const changed = (text: string | undefined): Date | null | undefined =>
    text === undefined ? undefined : text === '' ? null : parseAtTime(text, now)
  const [soft, hard] = [changed(words['expire-soft']), changed(words['expire-hard'])]
  if (tag === undefined) {
    await setDesktopExpiry(db, vmId, { soft, hard })
    return told(0, {})
  }
  const expiry: Expiry = { soft: soft ?? undefined, hard: hard ?? undefined }
  const tagged = await changeDesktopTag(db, vmId, tag, expiry)
  return told(tagged.expiring, expiry)
}

function read(words: ExpiryWords): Expiry {
  const now = new Date()
  const at = (text: string | undefined): Date | undefined =>
    text === undefined ? undefined : parseAtTime(text, now)
  return { soft: at(words['expire-soft']), hard: at(words['expire-hard']) }
}

function told(count: number, { soft, hard }: Expiry): Expiring {
  return { count, soft: soft?.toISOString() ?? null, hard: hard?.toISOString() ?? null }
}

/** A file of the staging folder is known by its name. */
function inStaging(path: string, staging: string): string {
  return path.startsWith('/') && dirname(path) === staging ? basename(path) : path
}

function numberOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Fault('object.unknown', { kind: 'di', name: text })
  return Number(text)
}
