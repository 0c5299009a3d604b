import { desktopBody, type PropertyOwner } from '@ostler/contract/admin-api.ts'
import type { Permission } from '@ostler/contract/administrators.ts'
import {
  bulkBody,
  type BulkFailure,
  type BulkKind,
  bulkPath,
  bulkPropertiesAsked,
  bulkPropertiesDeleted,
  bulkPropertiesSet,
  filterBody,
} from '@ostler/contract/bulk.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { namesOne } from '@ostler/contract/filter.ts'
import { createHash } from 'node:crypto'
import * as z from 'zod'
import { isSecretKey } from '../auth/secret-keys.ts'
import { listObjects, NARROWING } from '../store/admin.ts'
import { blockDesktop, blockHost, blockUser } from '../store/blocks.ts'
import { deleteDesktop, deleteFlavour, deleteUser } from '../store/home-trash.ts'
import { deleteHost } from '../store/hosts.ts'
import { blockImage, deleteImage } from '../store/images.ts'
import { pageOf } from '../store/listing.ts'
import { deleteProperties, propertiesOfAll, setProperties } from '../store/properties.ts'
import { disconnectSeat } from '../store/seats.ts'
import { attempt } from '../store/transact.ts'
import { addWish } from '../store/vms.ts'
import { desktopRow, flavourRow, hostRow, imageRow, userRow } from './answers.ts'
import type { HomeSettings } from './homes.ts'
import { changeDesktop } from './images.ts'
import { type Call, pageAsked, type Route, route } from './route.ts'

/** More are not changed at once: narrow the filter. */
const MOST = 10_000

interface Chosen {
  readonly id: number
  readonly name: string
}
/** Does it to one. A fault that it throws undoes that; one that it returns is told as well, and undoes nothing. */
type Act = (call: Call, one: Chosen, settings: HomeSettings) => Promise<unknown>
interface BulkAction {
  readonly needs: Permission
  readonly act: Act
  /** What it takes; a filter and the token of its preview where nothing else is said. */
  readonly body?: z.ZodType<{ filter: string; token: string }>
}
type Actions = Readonly<Record<string, BulkAction>>

const wish =
  (kind: 'run' | 'stop' | 'reset'): Act =>
  async ({ db, caller, request }, { id }) =>
    await addWish(db, { vmId: id, kind, by: caller.name, reason: 'qa, by filter', connection: request })

/** Sets and removes properties of each. */
function ofProperties(kind: PropertyOwner, needs: Permission): Actions {
  return {
    propset: {
      ...{ needs, body: bulkPropertiesSet },
      act: async ({ db, body }, { id }) =>
        await setProperties(db, kind, id, (body as z.output<typeof bulkPropertiesSet>).set),
    },
    propdel: {
      ...{ needs, body: bulkPropertiesDeleted },
      act: async ({ db, body }, { id }) =>
        await deleteProperties(db, kind, id, (body as z.output<typeof bulkPropertiesDeleted>).keys),
    },
  }
}

interface Kind {
  readonly see: Permission
  readonly reach: Route['reach']
  readonly row: z.ZodObject
  /** The column that says how each is called. */
  readonly name: 'name' | 'login'
  readonly actions: Actions
}
const editBody = bulkBody.extend({ change: desktopBody })

/** What is done to all that a filter finds. Each one is done or left as it is; a failure of one leaves the others. */
const KINDS = {
  vm: {
    ...{ see: 'desktop.see', reach: 'tenant', row: desktopRow, name: 'name' },
    actions: {
      start: { needs: 'desktop.run', act: wish('run') },
      stop: { needs: 'desktop.run', act: wish('stop') },
      reset: { needs: 'desktop.run', act: wish('reset') },
      disconnect: {
        needs: 'desktop.run',
        // Tunnels end also where nobody sits.
        act: async ({ db }, { id, name }) =>
          (await disconnectSeat(db, id, 'an administrator')) ?? new Fault('desktop.nobodyThere', { name }),
      },
      block: { needs: 'desktop.change', act: async ({ db }, { id }) => await blockDesktop(db, id, true) },
      unblock: { needs: 'desktop.change', act: async ({ db }, { id }) => await blockDesktop(db, id, false) },
      edit: {
        ...{ needs: 'desktop.change', body: editBody },
        act: async ({ db, body }, { id }) =>
          await changeDesktop(db, id, (body as z.output<typeof editBody>).change),
      },
      del: {
        needs: 'desktop.change',
        act: async ({ db }, { id }, { trashDays }) => await deleteDesktop(db, id, trashDays),
      },
      ...ofProperties('vm', 'desktop.change'),
    },
  },
  user: {
    ...{ see: 'user.see', reach: 'tenant', row: userRow, name: 'login' },
    actions: {
      block: { needs: 'user.change', act: async ({ db }, { id }) => await blockUser(db, id, true) },
      unblock: { needs: 'user.change', act: async ({ db }, { id }) => await blockUser(db, id, false) },
      del: {
        needs: 'user.change',
        act: async ({ db }, { id }, { trashDays }) => await deleteUser(db, id, trashDays),
      },
      ...ofProperties('user', 'user.change'),
    },
  },
  host: {
    ...{ see: 'host.see', reach: 'all', row: hostRow, name: 'name' },
    actions: {
      block: { needs: 'host.change', act: async ({ db }, { name }) => await blockHost(db, name, true) },
      unblock: { needs: 'host.change', act: async ({ db }, { name }) => await blockHost(db, name, false) },
      del: { needs: 'host.change', act: async ({ db }, { name }) => await deleteHost(db, name) },
      ...ofProperties('host', 'host.change'),
    },
  },
  osf: {
    ...{ see: 'flavour.see', reach: 'tenant', row: flavourRow, name: 'name' },
    actions: {
      del: {
        needs: 'flavour.change',
        act: async ({ db }, { id }, { trashDays }) => await deleteFlavour(db, id, trashDays),
      },
      ...ofProperties('osf', 'flavour.change'),
    },
  },
  di: {
    ...{ see: 'image.see', reach: 'tenant', row: imageRow, name: 'name' },
    actions: {
      block: { needs: 'image.change', act: async ({ db }, { id }) => await blockImage(db, id, true) },
      unblock: { needs: 'image.change', act: async ({ db }, { id }) => await blockImage(db, id, false) },
      del: { needs: 'image.change', act: async ({ db }, { id }) => await deleteImage(db, id) },
      ...ofProperties('di', 'image.change'),
    },
  },
} as const satisfies Readonly<Record<BulkKind, Kind>>

const found = z.strictObject({ names: z.array(z.string()), token: z.string() })
const done = z.strictObject({
  done: z.int(),
  failures: z.array(z.strictObject({ name: z.string(), fault: z.string(), text: z.string() })),
})
const property = z.strictObject({ name: z.string(), key: z.string(), value: z.string() })

/** What is done to all that a filter finds: previewed, and then done if the filter still finds the same. */
export function bulkRoutes(settings: HomeSettings): Route[] {
  return (Object.keys(KINDS) as BulkKind[]).flatMap((kind) => {
    const { see, reach, actions }: Kind = KINDS[kind]
    return [
      route({
        ...{ method: 'post', path: bulkPath(kind), needs: see, reach, changesNothing: true },
        summary: 'What a filter finds, with a token for doing something to all of it. Nothing happens yet.',
        body: filterBody,
        answer: found,
        run: async (call) => {
          const chosen = await choose(call, kind, call.body.filter)
          return { names: chosen.map(({ name }) => name), token: tokenOf(chosen) }
        },
      }),
      route({
        ...{ method: 'post', path: bulkPath(kind, 'propget'), needs: see, reach, changesNothing: true },
        summary: 'The properties of all that a filter finds; secrets are masked.',
        body: bulkPropertiesAsked,
        answer: z.array(property),
        run: async (call) => await showProperties(call, kind, call.body),
      }),
      ...Object.entries(actions).map(([action, { needs, act, body }]) =>
        route({
          ...{ method: 'post', path: bulkPath(kind, action), needs, reach },
          summary: `Does "${action}" to all that a filter finds, if those are still the ones of the preview.`,
          body: body ?? bulkBody,
          answer: done,
          run: async (call) => {
            const chosen = await choose(call, kind, call.body.filter)
            if (tokenOf(chosen) !== call.body.token) throw new Fault('bulk.changed')
            return await actOnAll(chosen, (one) => act(call, one, settings), call)
          },
        }),
      ),
    ]
  })
}

async function actOnAll(
  chosen: readonly Chosen[],
  act: (one: Chosen) => Promise<unknown>,
  { db }: Call,
): Promise<z.output<typeof done>> {
  const failures: BulkFailure[] = []
  for (const one of chosen) {
    const failure = await attempt(db, () => act(one)).catch((error: unknown) => {
      if (!(error instanceof Fault)) throw error
      return error
    })
    if (failure instanceof Fault)
      failures.push({ name: one.name, fault: failure.code, text: failure.message })
  }
  return { done: chosen.length - failures.length, failures }
}

async function showProperties(
  call: Call,
  kind: BulkKind,
  { filter, keys }: z.output<typeof bulkPropertiesAsked>,
): Promise<z.output<typeof property>[]> {
  const names = new Map((await choose(call, kind, filter)).map(({ id, name }) => [id, name]))
  const rows = await propertiesOfAll(call.db, kind, [...names.keys()])
  return rows
    .filter(({ key }) => keys.length === 0 || keys.includes(key))
    .map(({ id, key, value }) => ({
      ...{ name: names.get(id) ?? '', key },
      value: isSecretKey(key) ? '***' : value,
    }))
}

/**
 * What a filter finds of what is the caller's: what is of all tenants is nothing that one of them changes.
 * @throws Fault `object.unknown` when the filter is the name of one, and there is none of it.
 */
async function choose({ db, tenantId }: Call, kind: BulkKind, filter: string): Promise<readonly Chosen[]> {
  const { row, name }: Kind = KINDS[kind]
  const asked = { filter, sort: 'id', limit: MOST, offset: 0, count: true }
  const page = { ...pageAsked(asked, row, NARROWING[kind]), columns: ['id', name] }
  const { rows, total = 0 } = await pageOf(db, listObjects(db, kind, tenantId, 'own'), page)
  if (total > MOST)
    throw new Fault('request.invalid', { problem: `the filter finds ${total}, at most ${MOST} are changed` })
  const only = namesOne(filter, name)
  if (rows.length === 0 && only !== undefined) throw new Fault('object.unknown', { kind, name: only })
  return rows.map((each) => ({ id: Number(each['id']), name: String(each[name]) }))
}

function tokenOf(chosen: readonly Chosen[]): string {
  return createHash('sha256')
    .update(chosen.map(({ id }) => id).join(','))
    .digest('base64url')
    .slice(0, 22)
}
