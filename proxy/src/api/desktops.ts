import { ADMIN_OBJECTS, tunnelBody } from '@ostler/contract/admin-api.ts'
import type { Log } from '@ostler/kit/log.ts'
import * as z from 'zod'
import { RESET_WISH } from '../model/wish.ts'
import { desktopByName } from '../store/admin.ts'
import { explainDesktop } from '../store/explanation.ts'
import { disconnectSeat } from '../store/seats.ts'
import { addWish } from '../store/vms.ts'
import { type Named, type Route, route } from './route.ts'
import { type DoorPlace, offerTunnel } from './tunnel-offer.ts'

const newWish = z.strictObject({
  kind: z.enum(['run', 'stop', RESET_WISH]),
  reason: z.string().max(200).default('qa'),
})
const explanation = z.looseObject({
  name: z.string(),
  state: z.string(),
  because: z.array(z.string()),
  fault: z.string().nullable(),
  timeline: z.array(z.looseObject({ step: z.string() })),
  wishes: z.array(z.looseObject({ kind: z.string(), by: z.string() })),
})
const offer = z.looseObject({ ticket: z.string(), seconds: z.int() })

const DESKTOP: Named = { kind: 'vm', in: 'path', key: 'name' }

/** What is done to one desktop. */
export function desktopRoutes(door: () => DoorPlace, log: Log): Route[] {
  const path = `${ADMIN_OBJECTS.vm.path}/:name`
  const same = { reach: 'tenant', about: [DESKTOP] } as const
  return [
    route({
      ...same,
      method: 'get',
      path: `${path}/explain`,
      summary: 'Why a desktop is as it is: its wishes, its last start step by step, what went wrong.',
      needs: 'desktop.see',
      answer: explanation,
      hints: ['ostler_vm', 'ostler_seat', 'ostler_admin'],
      run: async ({ db, part }) => await explainDesktop(db, await desktopByName(db, part('name'))),
    }),
    route({
      ...same,
      method: 'post',
      path: `${path}/wishes`,
      summary: 'Wishes a desktop to run, to stop or to be tried anew. hkd does it.',
      needs: 'desktop.run',
      body: newWish,
      answer: z.strictObject({ number: z.int() }),
      status: 201,
      run: async ({ db, part, body, caller, request }) => {
        const vmId = await desktopByName(db, part('name'))
        return { number: await addWish(db, { vmId, by: caller.name, connection: request, ...body }) }
      },
    }),
    route({
      ...same,
      method: 'post',
      path: `${path}/tunnels`,
      summary: 'Gives a ticket for a tunnel into a desktop, which the door takes.',
      needs: 'desktop.enter',
      body: tunnelBody,
      answer: offer,
      status: 201,
      run: async ({ db, part, body, caller }) => {
        // Who came with a token is known; at the socket the tool says who sits there.
        const person = caller.administratorId === null ? body.person : caller.name
        return await offerTunnel(db, part('name'), { ...body, person }, door(), log)
      },
    }),
    route({
      ...same,
      method: 'post',
      path: `${path}/disconnect`,
      summary: 'Cuts the stream of whoever sits at a desktop; programs go on.',
      needs: 'desktop.run',
      // Tunnels end also when nobody sits there: a failure would undo that.
      answer: z.strictObject({ was: z.string().nullable().describe('who sat there') }),
      run: async ({ db, part }) => {
        const was = await disconnectSeat(db, await desktopByName(db, part('name')), 'an administrator')
        return { was: was ?? null }
      },
    }),
  ]
}
