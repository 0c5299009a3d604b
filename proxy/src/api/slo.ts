import { ADMIN_OBJECTS } from '@ostler/contract/admin-api.ts'
import { SLO_PATH, sloQuery, START_HOPS } from '@ostler/contract/slo.ts'
import * as z from 'zod'
import { judgeStarts } from '../model/slo.ts'
import { flavourByName } from '../store/admin.ts'
import { readBadStarts, readStarts } from '../store/slo.ts'
import { type Route, route, time } from './route.ts'

/** So many starts that went wrong are told one by one. */
const WORST = 20

const ms = z.int().nullable()
const hop = z.enum(START_HOPS)
const flavourStarts = {
  ...{ osf: z.string(), seconds: z.int().nullable(), percent: z.number() },
  ...{ starts: z.int(), late: z.int(), failed: z.int() },
  reached: z.number().nullable().describe('per cent of all starts'),
  budget: z.number().nullable().describe('per cent that are left of the failures that the promise allows'),
  ...{ medianMs: ms, percentMs: ms },
  blamed: hop.nullable(),
}
const hopTimes = z.strictObject({
  ...{ hop, medianMs: ms, percentMs: ms, blamed: z.int(), lostMs: z.int() },
})
const badStart = z.strictObject({
  ...{ vm: z.string(), at: time, tookMs: ms, blamed: hop, hopMs: ms, usualMs: z.int() },
  fault: z.string().nullable(),
})

/** What flavours promise of their starts, what was kept of it, and the hop that ate the time (docs/slo.md). */
export function sloRoutes(): Route[] {
  return [
    route({
      method: 'get',
      path: SLO_PATH,
      summary:
        'How starts went, by flavour: what is promised, what was kept of it, and which hop is to blame.',
      needs: 'desktop.see',
      reach: 'tenant',
      query: sloQuery,
      answer: z.array(z.strictObject(flavourStarts)),
      run: async ({ db, tenantId, query: { days } }) =>
        (await readStarts(db, { days, tenantId })).map(({ counted, hops }) => judgeStarts(counted, hops)),
    }),
    route({
      method: 'get',
      path: `${ADMIN_OBJECTS.osf.path}/:name/slo`,
      summary: 'How the starts of a flavour went, hop by hop, and the newest that were late or failed.',
      needs: 'desktop.see',
      reach: 'tenant',
      about: [{ kind: 'osf', in: 'path', key: 'name', shared: true }],
      query: sloQuery,
      answer: z.strictObject({ ...flavourStarts, hops: z.array(hopTimes), worst: z.array(badStart) }),
      run: async ({ db, part, tenantId, query: { days } }) => {
        const asked = { days, tenantId, flavourId: await flavourByName(db, part('name')) }
        const found = await readStarts(db, asked)
        const worst = await readBadStarts(db, asked, WORST)
        return found.map(({ counted, hops }) => ({ ...judgeStarts(counted, hops), hops, worst }))[0]
      },
    }),
  ]
}
