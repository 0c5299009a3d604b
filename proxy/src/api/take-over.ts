import {
  KVM_VDI_IMPORT_PATH,
  kvmVdiImportBody,
  TAKEN_KINDS,
  QVD_IMPORT_PATH,
  qvdImportBody,
  type TakenOver,
} from '@ostler/contract/take-over.ts'
import * as z from 'zod'
import type { AddressPool } from '../store/addresses.ts'
import type { Db } from '../store/open.ts'
import { TakeOver } from '../store/take-over.ts'
import { readQvd } from '../store/qvd-source.ts'
import type { ForeignContents } from '../store/foreign-contents.ts'
import { attempt } from '../store/transact.ts'
import { ConfigurationDesk, type ConfigurationSource } from './configuration.ts'
import { ConfigurationImport } from './configuration-import.ts'
import { readKvmVdi } from './kvm-vdi-dump.ts'
import { type Route, route } from './route.ts'

const count = z.int()
const answer = z.strictObject({
  version: z.string(),
  counts: z.array(z.strictObject({ kind: z.enum(TAKEN_KINDS), found: count, taken: count, kept: count })),
  notes: z.array(z.strictObject({ kind: z.enum(TAKEN_KINDS), name: z.string(), text: z.string() })),
  applied: z.boolean(),
})

/** Takes over what others have in their databases. Nothing is written there, and here all of it or nothing (docs/import.md). */
export function takeOverRoutes(addresses: AddressPool, source: ConfigurationSource): Route[] {
  return [
    route({
      method: 'post',
      path: QVD_IMPORT_PATH,
      summary:
        "What becomes of a QVD's users, flavours, images, desktops and configuration; with apply=true it is done.",
      needs: 'configuration.change',
      body: qvdImportBody,
      answer,
      run: async ({ db, body: { apply, ...address } }) => {
        const contents = await readQvd(address)
        return await tried(db, apply, async () => await takeOver(db, contents, addresses, source))
      },
    }),
    route({
      method: 'post',
      path: KVM_VDI_IMPORT_PATH,
      summary:
        "What becomes of a KVM-VDI's users, pools and machines, out of a dump; with apply=true it is done.",
      needs: 'configuration.change',
      body: kvmVdiImportBody,
      answer,
      run: async ({ db, body: { apply, text } }) => {
        const { contents, notes } = readKvmVdi(text)
        return await tried(db, apply, async () => {
          const work = new TakeOver(db, addresses)
          await work.take(contents)
          for (const note of notes) work.note(...note)
          return { version: contents.version, ...work.report() }
        })
      },
    }),
  ]
}

/** Carries a dry run to the caller, after all that it did was undone. */
class DryRun extends Error {
  readonly report: Omit<TakenOver, 'applied'>

  constructor(report: Omit<TakenOver, 'applied'>) {
    super('a dry run')
    this.report = report
  }
}

/** A dry run does all that would be done, and undoes it: what it tells is what would come of it. */
async function tried(
  db: Db,
  apply: boolean,
  work: () => Promise<Omit<TakenOver, 'applied'>>,
): Promise<TakenOver> {
  try {
    return await attempt(db, async () => {
      const report = await work()
      if (!apply) throw new DryRun(report)
      return { ...report, applied: true }
    })
  } catch (error) {
    if (error instanceof DryRun) return { ...error.report, applied: false }
    throw error
  }
}

async function takeOver(
  db: Db,
  contents: ForeignContents,
  addresses: AddressPool,
  source: ConfigurationSource,
): Promise<Omit<TakenOver, 'applied'>> {
  const work = new TakeOver(db, addresses)
  await work.take(contents)
  const names = new Map(contents.tenants.map(({ id, name }) => [String(id), name]))
  const keys = contents.configs
    .filter(({ tenant_id }) => tenant_id === null || tenant_id < 0 || work.tenantOf(tenant_id) !== undefined)
    .map(({ tenant_id: id, key, value }) => ({
      key,
      value,
      tenant: id === null || id < 0 ? undefined : String(id),
    }))
  const configuration = new ConfigurationImport(db, source, new ConfigurationDesk(db, source))
  const { keys: judged, stored } = await configuration.takeKeys({ keys, tenants: names }, true)
  for (const { key, tenant, kind, text } of judged)
    if (kind !== 'honoured') work.note('config', tenant === null ? key : `${key} (${tenant})`, text)
  const { counts, notes } = work.report()
  const config = { kind: 'config' as const, found: contents.configs.length, taken: stored, kept: 0 }
  return { version: contents.version, counts: [...counts, config], notes }
}
