import { ADMIN_OBJECTS, desktopBody, type Expiring, tagBody } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Hono } from 'hono'
import { basename, dirname } from 'node:path'
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
import { body } from './body.ts'

/** What a request says about expiry, in words. */
interface ExpiryWords {
  readonly 'expire-soft'?: string | undefined
  readonly 'expire-hard'?: string | undefined
}

/**
 * Disk images, their tags, and which one a desktop gets.
 * @param staging `path.storage.staging`
 */
export function addImageRoutes(app: Hono, db: Db, staging: string): void {
  const { di, vm } = ADMIN_OBJECTS
  app.post(di.path, async (context) => {
    const { osf, osf_id, name, kind, path, version, sha256, ...words } = await body(context, di.schema)
    const flavourId = osf_id ?? (await flavourByName(db, osf ?? ''))
    const expiry = read(words)
    const image = { flavourId, name, kind, path: inStaging(path, staging), version, sha256 }
    const { expiring, ...added } = await addImage(db, image, expiry)
    return context.json({ ...added, expiring: told(expiring, expiry) }, 201)
  })
  app.delete(`${di.path}/:id`, async (context) => {
    await deleteImage(db, numberOf(context.req.param('id')))
    return context.json({})
  })
  app.post(`${di.path}/:id/tags`, async (context) => {
    const { tag, ...words } = await body(context, tagBody)
    const expiry = read(words)
    const { expiring } = await tagImage(db, numberOf(context.req.param('id')), tag, expiry)
    return context.json({ expiring: told(expiring, expiry) }, 201)
  })
  app.delete(`${di.path}/:id/tags/:tag`, async (context) => {
    await untagImage(db, numberOf(context.req.param('id')), context.req.param('tag'))
    return context.json({})
  })
  app.patch(`${vm.path}/:name`, async (context) => {
    const { di_tag: tag, ...words } = await body(context, desktopBody)
    const vmId = await desktopByName(db, context.req.param('name'))
    const now = new Date()
    const changed = (text: string | undefined): Date | null | undefined =>
      text === undefined ? undefined : text === '' ? null : parseAtTime(text, now)
    const [soft, hard] = [changed(words['expire-soft']), changed(words['expire-hard'])]
    if (tag === undefined) {
      await setDesktopExpiry(db, vmId, { soft, hard })
      return context.json({ expiring: told(0, {}) })
    }
    const expiry: Expiry = { soft: soft ?? undefined, hard: hard ?? undefined }
    const { expiring } = await changeDesktopTag(db, vmId, tag, expiry)
    return context.json({ expiring: told(expiring, expiry) })
  })
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
