import { captureBody, CAPTURES_PATH } from '@ostler/contract/pools.ts'
import { Fault } from '@ostler/contract/fault.ts'
import * as z from 'zod'
import { desktopByName, flavourByName } from '../store/admin.ts'
import { askForCapture, findCapture } from '../store/captures.ts'
import { added, type Route, route } from './route.ts'

const text = z.string().nullable()

/** Asks for images of what desktops have become, and tells how they come on. hkd makes them. */
export function captureRoutes(): Route[] {
  return [
    route({
      method: 'post',
      path: CAPTURES_PATH,
      summary: 'Asks for an image of what a desktop has become.',
      needs: 'image.change',
      reach: 'tenant',
      about: [
        { kind: 'vm', in: 'body', key: 'vm' },
        { kind: 'osf', in: 'body', key: 'osf' },
      ],
      body: captureBody,
      answer: added,
      status: 201,
      run: async ({ db, caller, body: { vm, osf, version = null, tag = null } }) => {
        const order = { vmId: await desktopByName(db, vm), flavourId: await flavourByName(db, osf) }
        return { id: await askForCapture(db, { ...order, version, tag }, caller.name) }
      },
    }),
    route({
      method: 'get',
      path: `${CAPTURES_PATH}/:number`,
      summary: 'How such an image comes on.',
      needs: 'image.see',
      reach: 'tenant',
      about: [{ kind: 'capture', in: 'path', key: 'number' }],
      answer: z.strictObject({
        ...{ stage: z.string(), ended: z.boolean(), fault: text, image: text, version: text },
      }),
      hints: ['ostler_vm', 'ostler_admin'],
      run: async ({ db, part }) => {
        const number = part('number')
        if (!/^\d{1,9}$/.test(number)) throw new Fault('object.unknown', { kind: 'capture', name: number })
        return await findCapture(db, Number(number))
      },
    }),
  ]
}
